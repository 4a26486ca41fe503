package portmap

import (
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"linnet/netsvc/outside"
	"linnet/netsvc/wire/igd"
	"linnet/netsvc/wire/natpmp"
	"linnet/netsvc/wire/pcp"
)

var (
	worldly = netip.MustParseAddr("9.9.9.9")
	self    = netip.MustParseAddr("127.0.0.1")
)

// router is a fake one on loopback. It keeps mappings as a router does; what it does wrong is in twist.
type router struct {
	t  *testing.T
	at netip.AddrPort // of its UDP socket

	mu       sync.Mutex
	pcp, pmp bool // which it speaks
	address  netip.Addr
	began    time.Time
	entries  map[outside.Target]entryOf // by network and external port
	requests int
	// twist turns an answer into what is sent in its place, at the socket that the request came from.
	twist    func(answer []byte) [][]byte
	generous bool                    // by UPnP it gives a port away that another host has
	fault    func(action string) int // of UPnP: code to refuse with, 0 for none
}

type entryOf struct {
	client   netip.Addr
	port     uint16
	nonce    pcp.Nonce
	lifetime uint32
}

func newRouter(t *testing.T) *router {
	return &router{t: t, address: worldly, began: time.Now(), entries: make(map[outside.Target]entryOf)}
}

// serve makes it listen for PCP and NAT-PMP.
func (r *router) serve(addr string) *router {
	c, err := net.ListenPacket("udp4", addr)
	if err != nil {
		r.t.Fatal(err)
	}
	r.at = c.LocalAddr().(*net.UDPAddr).AddrPort()
	r.t.Cleanup(func() { c.Close() })
	go func() {
		b := make([]byte, 1500)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			answers := [][]byte{r.answer(b[:n], from.(*net.UDPAddr).AddrPort().Addr())}
			r.mu.Lock()
			twist := r.twist
			r.mu.Unlock()
			if twist != nil && answers[0] != nil {
				answers = twist(answers[0])
			}
			for _, a := range answers {
				if a != nil {
					c.WriteTo(a, from)
				}
			}
		}
	}()
	return r
}

func (r *router) set(change func(r *router)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(r)
}

func (r *router) asked() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.requests
}

func (r *router) has(network string, external uint16) (entryOf, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, ok := r.entries[outside.Target{Network: network, Port: external}]
	return e, ok
}

// left returns a copy of what is mapped.
func (r *router) left() map[outside.Target]entryOf {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.entries)
}

func (r *router) answer(b []byte, from netip.Addr) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests++
	epoch := uint32(time.Since(r.began) / time.Second)
	switch {
	case len(b) > 0 && b[0] == 2 && r.pcp:
		q, err := pcp.ParseRequest(b)
		if err != nil {
			r.t.Errorf("a request of PCP that is none: %x, %v", b, err)
			return nil
		}
		a := pcp.Response{Opcode: q.Opcode, Epoch: epoch, Lifetime: q.Lifetime, Mapping: q.Mapping}
		if q.Client != from {
			a.Result = pcp.AddressMismatch
		} else if q.Opcode == pcp.Map {
			network := "tcp"
			if q.Mapping.Protocol == pcp.UDP {
				network = "udp"
			}
			a.Result, a.Mapping.External = r.mapPort(network, q, from)
		}
		return a.Append(nil)
	case len(b) > 0 && b[0] == 2 && r.pmp:
		return []byte{0, 128, 0, 1, 0, 0, 0, 0} // unsupported version
	case len(b) > 0 && b[0] == 0 && r.pmp:
		q, err := natpmp.ParseRequest(b)
		if err != nil {
			r.t.Errorf("a request of NAT-PMP that is none: %x, %v", b, err)
			return nil
		}
		a := natpmp.Response{Opcode: q.Opcode, Epoch: epoch, Internal: q.Internal, Lifetime: q.Lifetime, Address: r.address}
		if q.Opcode != natpmp.Address {
			network := "tcp"
			if q.Opcode == natpmp.MapUDP {
				network = "udp"
			}
			as := pcp.Request{Lifetime: q.Lifetime, Mapping: pcp.Mapping{Internal: q.Internal, External: netip.AddrPortFrom(worldly, q.External)}}
			result, external := r.mapPort(network, as, from)
			a.Result, a.External = natpmp.Result(result), external.Port()
		}
		return a.Append(nil)
	}
	return nil
}

// mapPort is what a router does with a request. One external port in ten is taken already.
func (r *router) mapPort(network string, q pcp.Request, from netip.Addr) (pcp.Result, netip.AddrPort) {
	for key, e := range r.entries {
		if key.Network == network && e.client == from && e.port == q.Mapping.Internal {
			if e.nonce != q.Mapping.Nonce {
				return pcp.NotAuthorized, netip.AddrPort{}
			}
			if q.Lifetime == 0 {
				delete(r.entries, key)
				return pcp.Success, netip.AddrPort{}
			}
			e.lifetime = q.Lifetime
			r.entries[key] = e
			return pcp.Success, netip.AddrPortFrom(r.address, key.Port)
		}
	}
	if q.Lifetime == 0 {
		return pcp.Success, netip.AddrPort{}
	}
	external := max(q.Mapping.External.Port(), 1024)
	for taken := true; taken; {
		if _, taken = r.entries[outside.Target{Network: network, Port: external}]; taken || external%10 == 0 {
			external, taken = external+1, true
		}
	}
	r.entries[outside.Target{Network: network, Port: external}] = entryOf{from, q.Mapping.Internal, q.Mapping.Nonce, q.Lifetime}
	return pcp.Success, netip.AddrPortFrom(r.address, external)
}

// upnp makes it a gateway device of the given kind of service, and returns where it answers to searches.
func (r *router) upnp(kind string) (search netip.AddrPort) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /desc.xml", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `<?xml version="1.0"?><root><device><serviceList><service><serviceType>%s</serviceType>`+
			`<controlURL>/ctl</controlURL></service></serviceList></device></root>`, kind)
	})
	mux.HandleFunc("POST /ctl", func(w http.ResponseWriter, q *http.Request) { r.soap(kind, w, q) })
	server := httptest.NewServer(mux)
	r.t.Cleanup(server.Close)
	return r.respond("127.0.0.1:0", server.URL+"/desc.xml")
}

// respond answers searches at an address with a location.
func (r *router) respond(addr, location string) netip.AddrPort {
	c, err := net.ListenPacket("udp4", addr)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	go func() {
		b := make([]byte, 1500)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			if !strings.HasPrefix(string(b[:n]), "M-SEARCH * HTTP/1.1\r\n") || !strings.Contains(string(b[:n]), igd.Device) {
				r.t.Errorf("not a search: %q", b[:n])
			}
			fmt.Fprintf(to{c, from}, "HTTP/1.1 200 OK\r\nST: %s\r\nUSN: x\r\nLOCATION: %s\r\n\r\n", igd.Device, location)
		}
	}()
	return c.LocalAddr().(*net.UDPAddr).AddrPort()
}

type to struct {
	c    net.PacketConn
	addr net.Addr
}

func (w to) Write(b []byte) (int, error) { return w.c.WriteTo(b, w.addr) }

var valuesOf = regexp.MustCompile(`<(New\w+)>([^<]*)</`)

func (r *router) soap(kind string, w http.ResponseWriter, q *http.Request) {
	action, ok := strings.CutPrefix(strings.Trim(q.Header.Get("SOAPAction"), `"`), kind+"#")
	if !ok {
		r.t.Errorf("SOAPAction is %q", q.Header.Get("SOAPAction"))
	}
	body, _ := io.ReadAll(q.Body)
	args := make(map[string]string)
	for _, m := range valuesOf.FindAllStringSubmatch(string(body), -1) {
		args[m[1]] = m[2]
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests++
	code, values := r.act(kind, action, args)
	if r.fault != nil {
		if refused := r.fault(action); refused != 0 {
			code = refused
		}
	}
	if code != 0 {
		w.WriteHeader(500)
		fmt.Fprintf(w, `<s:Envelope xmlns:s="x"><s:Body><s:Fault><detail><UPnPError><errorCode>%d</errorCode></UPnPError></detail></s:Fault></s:Body></s:Envelope>`, code)
		return
	}
	fmt.Fprintf(w, `<s:Envelope xmlns:s="x"><s:Body><u:%sResponse xmlns:u="%s">%s</u:%[1]sResponse></s:Body></s:Envelope>`, action, kind, values)
}

func (r *router) act(kind, action string, args map[string]string) (code int, values string) {
	port := func(name string) uint16 {
		n, _ := strconv.ParseUint(args[name], 10, 16)
		return uint16(n)
	}
	key := outside.Target{Network: strings.ToLower(args["NewProtocol"]), Port: port("NewExternalPort")}
	client, _ := netip.ParseAddr(args["NewInternalClient"])
	lease, _ := strconv.ParseUint(args["NewLeaseDuration"], 10, 32)
	e, taken := r.entries[key]
	switch action {
	case "GetStatusInfo":
		return 0, "<NewConnectionStatus>Connected</NewConnectionStatus>"
	case "GetExternalIPAddress":
		return 0, "<NewExternalIPAddress>" + r.address.String() + "</NewExternalIPAddress>"
	case "GetSpecificPortMappingEntry":
		if !taken {
			return igd.NoSuchEntry, ""
		}
		return 0, "<NewInternalClient>" + e.client.String() + "</NewInternalClient>"
	case "AddAnyPortMapping":
		if kind != igd.IP2 {
			return igd.InvalidAction, ""
		}
		for taken && e.client != client {
			key.Port++
			e, taken = r.entries[key]
		}
		r.entries[key] = entryOf{client: client, port: port("NewInternalPort"), lifetime: uint32(lease)}
		return 0, "<NewReservedPort>" + strconv.Itoa(int(key.Port)) + "</NewReservedPort>"
	case "AddPortMapping":
		if taken && e.client != client && !r.generous {
			return igd.Conflict, ""
		}
		r.entries[key] = entryOf{client: client, port: port("NewInternalPort"), lifetime: uint32(lease)}
		return 0, ""
	case "DeletePortMapping":
		if !taken {
			return igd.NoSuchEntry, ""
		}
		delete(r.entries, key)
		return 0, ""
	}
	return igd.InvalidAction, ""
}
