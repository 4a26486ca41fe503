package stream

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/xdg-go/scram"

	"linnet/netsvc/account"
	"linnet/netsvc/cert"
	"linnet/netsvc/flow"
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/sasl"
	"linnet/netsvc/wire/xmlstream"
	"linnet/store/storetest"
)

// BenchmarkLogin measures what one login costs the server, from accept to a
// bound resource, over TCP with TLS 1.3 and SCRAM against accounts in a store.
// The clients are in another process; the processor time is this one's.
func BenchmarkLogin(b *testing.B) {
	for _, c := range []struct {
		name    string
		policy  cert.Policy
		direct  bool
		plus    bool
		tickets bool
	}{
		{name: "starttls"},
		{name: "direct", direct: true},
		{name: "direct-plus", direct: true, plus: true},
		{name: "direct-resumed", direct: true, tickets: true},
		{name: "direct-hybrid", direct: true, policy: cert.Policy{Exchange: cert.Hybrid}},
	} {
		b.Run(c.name, func(b *testing.B) {
			o := defaults()
			k, err := cert.Open(cert.Options{Domains: []string{"im.example.com"}, Vault: cert.Memory{}, TLS: c.policy})
			if err != nil {
				b.Fatal(err)
			}
			users := account.New()
			db := storetest.Open(b, users.Tables()...)
			if err := users.Open(b.Context(), db, nil, []string{"im.example.com"}, account.Options{Iterations: sasl.MinIterations}); err != nil {
				b.Fatal(err)
			}
			for i := range 16 {
				if _, err := users.Create(b.Context(), account.NewAccount{JID: jid.MustParse(fmt.Sprintf("u%d@im.example.com", i)), Password: password}); err != nil {
					b.Fatal(err)
				}
			}
			o.Certs, o.Directory, o.Secret, o.Guard = k, users.Directory(), users.Secret(), guard()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
			pump := flow.NewPump(flow.Options{})
			defer pump.Close()
			var wg sync.WaitGroup
			go func() {
				for {
					nc, err := l.Accept()
					if err != nil {
						return
					}
					wg.Go(func() {
						conn := pump.NewConn(nc)
						s := New(conn, new(flow.Buffer), new(xmlstream.Scanner), o, &home{})
						if err := s.Negotiate(context.Background(), c.direct); err != nil {
							b.Error(err)
						}
						conn.Outbox().Close(time.Second, nil, nil)
					})
				}
			}()

			cmd := exec.Command(os.Args[0], "-test.run=^TestClients$")
			cmd.Env = append(os.Environ(), "CLIENTS="+fmt.Sprintf("%s %d %v %v %v", l.Addr(), b.N, c.direct, c.plus, c.tickets))
			in, err := cmd.StdinPipe()
			if err != nil {
				b.Fatal(err)
			}
			out, err := cmd.StdoutPipe()
			if err != nil {
				b.Fatal(err)
			}
			cmd.Stderr = os.Stderr
			if err := cmd.Start(); err != nil {
				b.Fatal(err)
			}
			bufio.NewReader(out).ReadString('\n') // it has derived its keys
			b.ResetTimer()
			before := processorTime()
			in.Write([]byte("\n"))
			io.Copy(io.Discard, out)
			if err := cmd.Wait(); err != nil {
				b.Fatal(err)
			}
			wg.Wait()
			used := processorTime() - before
			b.ReportMetric(float64(b.N)/used.Seconds(), "logins/cpu-s")
			b.ReportMetric(float64(used.Microseconds())/float64(b.N), "cpu-µs/login")
		})
	}
}

func processorTime() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestClients is the other process of BenchmarkLogin.
func TestClients(t *testing.T) {
	var address string
	var n int
	var direct, plus, tickets bool
	if _, err := fmt.Sscan(os.Getenv("CLIENTS"), &address, &n, &direct, &plus, &tickets); err != nil {
		t.Skip("no benchmark is running")
	}
	config := &tls.Config{ServerName: "im.example.com", InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}
	users := make([]*scram.Client, 16)
	var ready sync.WaitGroup
	work := make(chan int, n)
	var done sync.WaitGroup
	ready.Add(1)
	for i := range users {
		cl, err := scram.SHA1.NewClient("u"+strconv.Itoa(i), password, "")
		if err != nil {
			t.Fatal(err)
		}
		users[i] = cl
		own := config.Clone()
		if tickets {
			own.ClientSessionCache = tls.NewLRUClientSessionCache(4)
		}
		done.Go(func() {
			ready.Wait()
			for range work {
				if err := loginOnce(address, direct, plus, own, cl); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	fmt.Println("ready")
	bufio.NewReader(os.Stdin).ReadString('\n')
	for i := range n {
		work <- i
	}
	close(work)
	ready.Done()
	done.Wait()
}

// loginOnce is one client: connect, authenticate, bind, leave.
func loginOnce(address string, direct, plus bool, config *tls.Config, user *scram.Client) error {
	nc, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer nc.Close()
	c := &talker{Conn: nc}
	if !direct {
		c.say(open)
		c.hear("</stream:features>")
		c.say("<starttls xmlns='" + TLSSpace + "'/>")
		c.hear("/>")
	}
	tc := tls.Client(nc, config)
	if err := tc.Handshake(); err != nil {
		return err
	}
	c.Conn = tc
	c.say(open)
	c.hear("</stream:features>")
	conv, mechanism := user.NewConversation(), "SCRAM-SHA-1"
	if plus {
		state := tc.ConnectionState()
		cb, err := scram.NewTLSExporterBinding(&state)
		if err != nil {
			return err
		}
		conv, mechanism = user.NewConversationWithChannelBinding(cb), "SCRAM-SHA-1-PLUS"
	}
	first, _ := conv.Step("")
	c.say(authElement(mechanism, sasl.Encode([]byte(first))))
	final, err := conv.Step(c.text("</challenge>"))
	if err != nil {
		return err
	}
	c.say("<response xmlns='" + SASLSpace + "'>" + sasl.Encode([]byte(final)) + "</response>")
	if _, err := conv.Step(c.text("</success>")); err != nil {
		return err
	}
	c.say(open)
	c.hear("</stream:features>")
	c.say("<iq type='set' id='b'><bind xmlns='" + BindSpace + "'/></iq>")
	c.hear("</iq>")
	return c.err
}

// talker is a client that looks for no more than the end of what it waits for.
type talker struct {
	net.Conn
	got []byte
	err error
}

func (c *talker) say(s string) { c.Write([]byte(s)) }

func (c *talker) hear(end string) string {
	b := make([]byte, 4096)
	for c.err == nil {
		if i := regexp.MustCompile(regexp.QuoteMeta(end)).FindIndex(c.got); i != nil {
			s := string(c.got[:i[1]])
			c.got = c.got[i[1]:]
			return s
		}
		var n int
		n, c.err = c.Read(b)
		c.got = append(c.got, b[:n]...)
	}
	return ""
}

var content = regexp.MustCompile(`>([^<]*)<`)

func (c *talker) text(end string) string {
	if m := content.FindStringSubmatch(c.hear(end)); m != nil {
		b, _ := sasl.Decode(m[1])
		return string(b)
	}
	return ""
}
