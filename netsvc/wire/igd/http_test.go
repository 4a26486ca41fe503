package igd

import (
	"bytes"
	"errors"
	"net/netip"
	"strings"
	"testing"
)

func TestReplies(t *testing.T) {
	long := strings.Repeat("x", MaxBody)
	for _, tc := range []struct {
		name, text string
		ended      bool
		body       string
		status     int
		err        error
	}{
		{name: "with length", text: "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef", body: "abc", status: 200},
		{name: "with length, cut", text: "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", ended: true, err: ErrMore},
		{name: "until the end", text: "HTTP/1.0 200 OK\r\n\r\nabc", ended: true, body: "abc", status: 200},
		{name: "until the end, cut", text: "HTTP/1.0 200 OK\r\n\r\nabc", err: ErrMore},
		{name: "an error without text", text: "HTTP/1.1 500\r\nContent-Length: 0\r\n\r\n", status: 500},
		{name: "bare line ends", text: "HTTP/1.1 200 OK\nContent-Length: 2\n\nab", body: "ab", status: 200},
		{name: "continue first", text: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length:2\r\n\r\nab", body: "ab", status: 200},
		{name: "chunked", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n3;x=y\r\nabc\r\n 2 \r\nde\r\n0\r\n\r\n", body: "abcde", status: 200},
		{name: "chunked, cut", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", ended: true, err: ErrMore},
		{name: "chunk without a size", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\nabc\r\n", err: ErrHTTP},
		{name: "chunk too large", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\nabc\r\n", err: ErrTooLarge},
		{name: "compressed", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc", err: ErrHTTP},
		{name: "negative length", text: "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", err: ErrHTTP},
		{name: "longest", text: "HTTP/1.1 200 OK\r\nContent-Length: 65536\r\n\r\n" + long, body: long, status: 200},
		{name: "longer", text: "HTTP/1.1 200 OK\r\nContent-Length: 65537\r\n\r\n", err: ErrTooLarge},
		{name: "longest until the end", text: "HTTP/1.1 200 OK\r\n\r\n" + long, ended: true, body: long, status: 200},
		{name: "longer until the end", text: "HTTP/1.1 200 OK\r\n\r\n" + long + "x", err: ErrTooLarge},
		{name: "head without end", text: "HTTP/1.1 200 OK\r\nX: " + long[:MaxHead], err: ErrTooLarge},
		{name: "another protocol", text: "SSH-2.0-x\r\n", err: ErrHTTP},
		{name: "no status", text: "HTTP/1.1 OK\r\n\r\n", err: ErrHTTP},
		{name: "nothing", err: ErrMore},
	} {
		r, err := ParseReply([]byte(tc.text), tc.ended)
		if !errors.Is(err, tc.err) {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.err)
		}
		if err == nil && (string(r.Body) != tc.body || r.Status != tc.status) {
			t.Errorf("%s: %d %.20q", tc.name, r.Status, r.Body)
		}
	}
}

func TestURLs(t *testing.T) {
	base := URL{netip.MustParseAddrPort("192.168.1.1:5000"), "/a/b.xml?c=/d"}
	for _, tc := range []struct{ text, want string }{
		{text: "http://192.168.1.1:5000/x", want: "192.168.1.1:5000 /x"},
		{text: "HTTP://192.168.1.1", want: "192.168.1.1:80 /"},
		{text: "http://192.168.1.1?q#f", want: "192.168.1.1:80 /?q"},
		{text: "/ctl", want: "192.168.1.1:5000 /ctl"},
		{text: "ctl?x#y", want: "192.168.1.1:5000 /a/ctl?x"},
		{text: "uuid:0011/x:1", want: "192.168.1.1:5000 /a/uuid:0011/x:1"},
		{text: "//192.168.1.9/x"},
		{text: "https://192.168.1.1/"},
		{text: "http://router.lan/"},
		{text: "http://user@192.168.1.1/"},
		{text: "http://192.168.1.1:0/"},
		{text: "http://192.168.1.1:70000/"},
		{text: "http://[fe80::1]/"},
		{text: "http://192.168.1.1/a b"},
		{text: "/a\r\nHost: x"},
		{text: ""},
		{text: "http://192.168.1.1/" + strings.Repeat("x", maxURL)},
	} {
		got := ""
		if u, err := base.Resolve(tc.text); err == nil {
			got = u.At.String() + " " + u.Path
		}
		if got != tc.want {
			t.Errorf("%q: %q, want %q", tc.text, got, tc.want)
		}
	}
}

func TestRequests(t *testing.T) {
	u := URL{netip.MustParseAddrPort("192.168.1.1:5000"), "/ctl"}
	if got, want := string(AppendGet(nil, u)), "GET /ctl HTTP/1.1\r\nHost: 192.168.1.1:5000\r\nConnection: close\r\n\r\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	want := "POST /ctl HTTP/1.1\r\nHost: 192.168.1.1:5000\r\nConnection: close\r\nContent-Type: text/xml; charset=\"utf-8\"\r\n" +
		"SOAPAction: \"urn:schemas-upnp-org:service:WANIPConnection:1#Do\"\r\nContent-Length: 4\r\n\r\n<a/>"
	if got := string(AppendPost(nil, u, IP1, "Do", []byte("<a/>"))); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	want = "M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 2\r\nST: " + Device + "\r\n\r\n"
	if got := string(AppendSearch(nil, netip.MustParseAddrPort("239.255.255.250:1900"), Device, 2)); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// A reply that is whole is the same however much follows it, and none is larger than allowed.
func FuzzReply(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"), true)
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"), false)
	f.Add([]byte("HTTP/1.1 200 OK\r\nLOCATION: http://192.168.1.1:5000/x\r\n\r\n"), true)
	f.Fuzz(func(t *testing.T, b []byte, ended bool) {
		r, err := ParseReply(b, ended)
		if err != nil {
			return
		}
		if len(r.Body) > MaxBody || r.Status < 200 {
			t.Errorf("%d, %d bytes", r.Status, len(r.Body))
		}
		if u, err := ParseURL(r.Get("Location")); err == nil && strings.ContainsAny(u.Path, " \r\n") {
			t.Errorf("a URL that ends its line: %q", u.Path)
		}
		if r.Get("Content-Length") == "" && r.Get("Transfer-Encoding") == "" {
			return
		}
		more, err := ParseReply(append(bytes.Clone(b), "more"...), ended)
		if r.Get("Content-Length") != "" && !strings.EqualFold(r.Get("Transfer-Encoding"), "chunked") && (err != nil || !bytes.Equal(more.Body, r.Body)) {
			t.Errorf("%q, then %q, %v", r.Body, more.Body, err)
		}
	})
}
