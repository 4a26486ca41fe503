package portmap

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"linnet/netsvc/metric"
	"linnet/netsvc/outside"
	"linnet/netsvc/wire/igd"
)

func upnpAt(ignored *metric.Counter, search ...netip.AddrPort) *speakUPnP {
	return &speakUPnP{network: network{gateway: self, local: self}, search: search, ignored: ignored, limits: limits{search: time.Minute, more: 50 * time.Millisecond, fetch: time.Minute}}
}

func TestUPnP(t *testing.T) {
	for _, kind := range []string{igd.IP2, igd.IP1, igd.PPP1} {
		t.Run(kind, func(t *testing.T) {
			r := newRouter(t)
			taken := outside.Target{Network: "tcp", Port: 7625}
			r.entries[taken] = entryOf{client: netip.MustParseAddr("192.168.1.9"), port: 1}
			s := upnpAt(new(metric.Counter), r.upnp(kind))
			ctx := t.Context()
			if err := s.open(ctx); err != nil {
				t.Fatal(err)
			}
			if s.address() != worldly || s.kind != kind {
				t.Errorf("the router is %v, %s", s.address(), s.kind)
			}
			g, err := s.add(ctx, taken, taken.Port, time.Hour)
			if err != nil || g.external == taken.Port || g.lifetime != time.Hour {
				t.Fatalf("a port that is taken: %+v, %v", g, err)
			}
			if again, err := s.add(ctx, taken, g.external, time.Hour); err != nil || again != g {
				t.Errorf("renewed: %+v, %v", again, err)
			}
			if e, ok := r.has("tcp", g.external); !ok || e.port != taken.Port || e.client != self || e.lifetime != 3600 {
				t.Errorf("the router has %+v, %v", e, ok)
			}
			if err := s.check(ctx); err != nil || s.lost() {
				t.Errorf("a router that goes on: %v", err)
			}
			r.set(func(r *router) { delete(r.entries, outside.Target{Network: "tcp", Port: g.external}) })
			if err := s.check(ctx); err != nil || !s.lost() {
				t.Errorf("a router that has forgotten: %v", err)
			}
			if _, err := s.add(ctx, taken, g.external, time.Hour); err != nil {
				t.Fatal(err)
			}
			for range 2 { // the second time it is gone already
				if err := s.remove(ctx, taken, g.external); err != nil {
					t.Error(err)
				}
			}
			if left := r.left(); len(left) != 1 || left[taken].port != 1 {
				t.Errorf("left at the router: %v", left)
			}
		})
	}
}

func TestUPnPPeculiarities(t *testing.T) {
	for _, tc := range []struct {
		name  string
		kind  string
		fault func(action string) int
		lease uint32
		code  int
	}{
		{name: "IGD 2 without its own action", kind: igd.IP2, lease: 3600, fault: func(action string) int {
			if action == "AddAnyPortMapping" {
				return igd.InvalidAction
			}
			return 0
		}},
		{name: "not allowed", kind: igd.IP1, code: igd.NotAuthorized, fault: func(action string) int {
			if action == "AddPortMapping" {
				return igd.NotAuthorized
			}
			return 0
		}},
		{name: "always a conflict", kind: igd.IP1, code: igd.Conflict, fault: func(action string) int {
			if action == "AddPortMapping" {
				return igd.Conflict
			}
			return 0
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRouter(t)
			r.fault = tc.fault
			s := upnpAt(new(metric.Counter), r.upnp(tc.kind))
			if err := s.open(t.Context()); err != nil {
				t.Fatal(err)
			}
			g, err := s.add(t.Context(), udp, udp.Port, time.Hour)
			if tc.code != 0 {
				if !faulty(err, tc.code) {
					t.Errorf("%+v, %v", g, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if e, ok := r.has("udp", g.external); !ok || e.lifetime != tc.lease {
				t.Errorf("the router has %+v, %v", e, ok)
			}
		})
	}
}

// A port that another host has stays that host's, whatever the router would do.
func TestUPnPTakesNothingAway(t *testing.T) {
	r := newRouter(t)
	r.generous = true
	neighbour := entryOf{client: netip.MustParseAddr("192.168.1.9"), port: 1}
	r.entries[udp] = neighbour
	s := upnpAt(new(metric.Counter), r.upnp(igd.IP1))
	if err := s.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	g, err := s.add(t.Context(), udp, udp.Port, time.Hour)
	if err != nil || g.external == udp.Port {
		t.Errorf("%+v, %v", g, err)
	}
	if e, _ := r.has("udp", udp.Port); e != neighbour {
		t.Errorf("the neighbour's port is %+v", e)
	}
}

// Routers of old know no leases: what is mapped stays until it is removed.
func TestUPnPWithoutLeases(t *testing.T) {
	r := newRouter(t)
	times := 0
	r.fault = func(action string) int {
		if action == "AddPortMapping" {
			if times++; times == 1 {
				return igd.OnlyPermanent
			}
		}
		return 0
	}
	s := upnpAt(new(metric.Counter), r.upnp(igd.IP1))
	if err := s.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	g, err := s.add(t.Context(), udp, udp.Port, time.Hour)
	if err != nil || g.lifetime != 0 {
		t.Fatalf("%+v, %v", g, err)
	}
	if e, _ := r.has("udp", g.external); e.lifetime != 0 {
		t.Errorf("the router has %+v", e)
	}
}

// Only the router may say where the router is.
func TestUPnPStrangers(t *testing.T) {
	good := newRouter(t)
	right := good.upnp(igd.IP2)
	answer := func(status, kind, location string) string {
		return "HTTP/1.1 " + status + "\r\nST: " + kind + "\r\nLOCATION: " + location + "\r\n\r\n"
	}
	for _, tc := range []struct {
		name, from, answer string
		ok                 bool
	}{
		{name: "the router", from: "127.0.0.1:1900", answer: answer("200 OK", igd.Device, "http://127.0.0.1:80/x"), ok: true},
		{name: "from another port, of the second version", from: "127.0.0.1:9", answer: answer("200 OK", "urn:schemas-upnp-org:device:InternetGatewayDevice:2", "http://127.0.0.1:80/x"), ok: true},
		{name: "a neighbour", from: "127.0.0.2:1900", answer: answer("200 OK", igd.Device, "http://127.0.0.1:80/x")},
		{name: "it names a neighbour", from: "127.0.0.1:1900", answer: answer("200 OK", igd.Device, "http://127.0.0.2:80/x")},
		{name: "it names a name", from: "127.0.0.1:1900", answer: answer("200 OK", igd.Device, "http://localhost:80/x")},
		{name: "it names nothing", from: "127.0.0.1:1900", answer: answer("200 OK", igd.Device, "")},
		{name: "it says the unspeakable", from: "127.0.0.1:1900", answer: answer("200 OK", igd.Device, "http://127.0.0.1:80/a b")},
		{name: "a lamp", from: "127.0.0.1:1900", answer: answer("200 OK", "urn:schemas-upnp-org:device:DimmableLight:1", "http://127.0.0.1:80/x")},
		{name: "an error", from: "127.0.0.1:1900", answer: answer("404 Not Found", igd.Device, "http://127.0.0.1:80/x")},
		{name: "cut", from: "127.0.0.1:1900", answer: answer("200 OK", igd.Device, "http://127.0.0.1:80/x")[:60]},
	} {
		s := upnpAt(new(metric.Counter))
		if _, ok := s.place([]byte(tc.answer), netip.MustParseAddrPort(tc.from)); ok != tc.ok {
			t.Errorf("%s: %v", tc.name, ok)
		}
	}
	// Somebody who answers first, and wrongly, changes nothing.
	neighbour := newRouter(t).respond("127.0.0.2:0", "http://127.0.0.2:80/desc.xml")
	liar := newRouter(t).respond("127.0.0.1:0", "http://127.0.0.2:80/desc.xml")
	s := upnpAt(new(metric.Counter), neighbour, liar, right)
	if err := s.open(t.Context()); err != nil || s.address() != worldly {
		t.Errorf("with the router answering, too: %v", err)
	}
}

// serveRaw is a router whose HTTP is what a test says.
func serveRaw(t *testing.T, serve func(c net.Conn)) (search netip.AddrPort) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				b := make([]byte, 4<<10)
				if _, err := c.Read(b); err == nil {
					serve(c)
				}
			}()
		}
	}()
	return newRouter(t).respond("127.0.0.1:0", "http://"+l.Addr().String()+"/desc.xml")
}

func TestUPnPHostileHTTP(t *testing.T) {
	service := func(control string) string {
		return `<root><device><serviceList><service><serviceType>` + igd.IP1 + `</serviceType><controlURL>` + control + `</controlURL></service></serviceList></device></root>`
	}
	for _, tc := range []struct {
		name  string
		want  error
		serve func(c net.Conn)
	}{
		{name: "huge XML", want: igd.ErrTooLarge, serve: func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n<root>")
			for block := strings.Repeat("<a>b</a>", 1000); ; {
				if _, err := io.WriteString(c, block); err != nil {
					return
				}
			}
		}},
		{name: "huge length", want: igd.ErrTooLarge, serve: func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n<root>")
		}},
		{name: "endless head", want: igd.ErrTooLarge, serve: func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\n")
			for {
				if _, err := io.WriteString(c, "X-A: b\r\n"); err != nil {
					return
				}
			}
		}},
		{name: "endless chunks", want: igd.ErrTooLarge, serve: func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
			for {
				if _, err := io.WriteString(c, "1;"+strings.Repeat("x", 100)+"\r\na\r\n"); err != nil {
					return
				}
			}
		}},
		{name: "a redirection", want: errForeign, serve: func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n")
		}},
		{name: "not a description", want: errForeign, serve: func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n<html><body>Log in</body></html>")
		}},
		{name: "cut", want: igd.ErrMore, serve: func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n<root><device>")
		}},
		{name: "control elsewhere", want: errForeign, serve: func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n"+service("http://127.0.0.2/ctl"))
		}},
		{name: "base elsewhere", want: errForeign, serve: func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n"+strings.Replace(service("/ctl"), "<root>", "<root><URLBase>http://127.0.0.2/</URLBase>", 1))
		}},
		{name: "nothing but a greeting", want: igd.ErrHTTP, serve: func(c net.Conn) { io.WriteString(c, "220 ready\r\n") }},
		{name: "closed", want: igd.ErrMore, serve: func(net.Conn) {}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := upnpAt(new(metric.Counter), serveRaw(t, tc.serve))
			if err := s.open(t.Context()); !errors.Is(err, tc.want) {
				t.Errorf("%v, want %v", err, tc.want)
			}
		})
	}
}

// A router that sends a byte now and then does not hold the mapper beyond the time of one exchange.
func TestUPnPSlowHTTP(t *testing.T) {
	s := upnpAt(new(metric.Counter), serveRaw(t, func(c net.Conn) {
		io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
		for {
			if _, err := fmt.Fprint(c, " "); err != nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}))
	s.limits.fetch = 200 * time.Millisecond
	if err := s.open(t.Context()); !errors.Is(err, errSilent) {
		t.Error(err)
	}
}

// Of several lines the one that is up is taken.
func TestUPnPLines(t *testing.T) {
	line := func(n int) string {
		return fmt.Sprintf(`<service><serviceType>%s</serviceType><controlURL>/line%d</controlURL></service>`, igd.IP1, n)
	}
	var asked []string
	search := serveLines(t, "<root>"+line(1)+line(2)+"</root>", &asked)
	s := upnpAt(new(metric.Counter), search)
	if err := s.open(t.Context()); err != nil || s.control.Path != "/line2" {
		t.Errorf("%v, %v", s.control, err)
	}
	if want := []string{"/line1 GetStatusInfo", "/line2 GetStatusInfo", "/line2 GetExternalIPAddress"}; !slices.Equal(asked, want) {
		t.Errorf("asked %q", asked)
	}
}
