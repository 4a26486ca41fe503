package stream

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/xdg-go/scram"

	"linnet/netsvc/flow"
	"linnet/netsvc/wire/xmlstream"
)

// serve negotiates the streams of a real listener, as an edge does.
func serve(t *testing.T, o *Options, direct bool) (address string, results chan error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	pump := flow.NewPump(flow.Options{})
	results = make(chan error, 16)
	t.Cleanup(func() {
		l.Close()
		pump.Close()
	})
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				conn := pump.NewConn(nc)
				s := New(conn, new(flow.Buffer), new(xmlstream.Scanner), o, &home{})
				err := s.Negotiate(context.Background(), direct)
				if err == nil {
					conn.Outbox().Close(time.Second, nil, nil)
				}
				results <- err
			}()
		}
	}()
	return l.Addr().String(), results
}

func TestLoginOverTCP(t *testing.T) {
	for _, c := range []struct {
		name         string
		direct, plus bool
	}{{"starttls", false, false}, {"starttls plus", false, true}, {"direct", true, false}, {"direct plus", true, true}} {
		t.Run(c.name, func(t *testing.T) {
			address, results := serve(t, defaults(), c.direct)
			user, err := scram.SHA1.NewClient("juliet", password, "")
			if err != nil {
				t.Fatal(err)
			}
			config := clientTLS("im.example.com")
			config.ClientSessionCache = tls.NewLRUClientSessionCache(2)
			for range 3 { // the second and third with a session ticket
				if err := loginOnce(address, c.direct, c.plus, config, user); err != nil {
					t.Fatal(err)
				}
				if err := <-results; err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// A peer that goes on sending must still get to read why it is thrown out.
func TestFarewellIsNotOvertakenByAReset(t *testing.T) {
	address, results := serve(t, defaults(), false)
	nc, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	go io.WriteString(nc, open+"<x>"+strings.Repeat("y", 300_000))
	nc.SetReadDeadline(time.Now().Add(20 * time.Second))
	var got []byte
	b := make([]byte, 4096)
	for !strings.HasSuffix(string(got), closing) {
		n, err := nc.Read(b)
		got = append(got, b[:n]...)
		if err != nil {
			t.Fatalf("%v after %q", err, got)
		}
	}
	if !strings.Contains(string(got), "<policy-violation ") {
		t.Errorf("got %q", got)
	}
	nc.Close()
	if err := <-results; asError(err) == nil {
		t.Errorf("Negotiate returned %v", err)
	}
}
