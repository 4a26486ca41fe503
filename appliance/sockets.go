package appliance

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"linnet/netsvc/flow"
	"linnet/netsvc/metric"
	"linnet/netsvc/module"
)

// address is one address of one listener.
type address struct {
	key     string // what a socket is kept under: the address, so that it can pass from one listener to another
	network string // tcp or udp
	addr    string
}

// newAddress names the place of an address. With port 0, which tests use, each place is one of its own.
func newAddress(service string, l *module.Listener, place int, addr string) address {
	network := "tcp"
	if l.Packets != nil {
		network = "udp"
	}
	key := network + " " + addr
	if strings.HasSuffix(addr, ":0") {
		key = fmt.Sprintf("%s %s/%s/%d/%s", network, service, l.Name, place, addr)
	}
	return address{key, network, addr}
}

// meets tells whether a socket at a leaves no room for one at b: both have one port, and the address of one is that
// of the other or all addresses. Those are always of both families, however they are written: no socket is made for
// IPv6 alone.
func (a address) meets(b address) bool {
	hostA, portA := a.canonical()
	hostB, portB := b.canonical()
	return a.network == b.network && portA == portB && portA != 0 && (hostA == hostB || a.everywhere() || b.everywhere())
}

// everywhere tells whether the address is all addresses of the machine.
func (a address) everywhere() bool {
	host, _ := a.canonical()
	return host == "0.0.0.0" || host == "::"
}

// canonical returns the address in one spelling, and its port. A name stays one.
func (a address) canonical() (host string, port int) {
	host, text, _ := net.SplitHostPort(a.addr)
	port, _ = strconv.Atoi(text)
	if ip, err := netip.ParseAddr(host); err == nil {
		host = ip.Unmap().String()
	}
	return host, port
}

// Bound is one socket that is open.
type Bound struct {
	Service  string
	Name     string // of the listener
	Addr     net.Addr
	Security module.Security
}

// sockets are the listening sockets of the node. They outlive generations: each connection goes to the
// listener that the current generation has under the socket's key.
type sockets struct {
	a      *Appliance
	panics *metric.Counter
	files  descriptors
	mu     sync.Mutex
	open   map[string]*socket
}

// socket is one listening socket, in use once its generation is current.
type socket struct {
	address
	ln    net.Listener // of streams
	pc    *net.UDPConn // or of datagrams
	inUse bool
}

func (o *socket) Addr() net.Addr {
	if o.pc != nil {
		return o.pc.LocalAddr()
	}
	return o.ln.Addr()
}

func (o *socket) close() {
	if o.pc != nil {
		o.pc.Close()
	} else {
		o.ln.Close()
	}
}

// bind opens what g listens on and is not open yet. The result undoes it, for a generation that fails.
func (s *sockets) bind(g *generation) (undo func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var opened []*socket
	var closed []address // made room for a new one on the same port
	undo = func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, o := range opened {
			o.close()
			delete(s.open, o.key)
		}
		for _, at := range closed {
			if o, err := s.listen(at); err == nil {
				s.use(o)
			} else {
				s.a.log.Error("address is lost", "addr", at.addr, "cause", err)
			}
		}
	}
	var errs []error
	g.eachAddress(func(service *module.Service, l *module.Listener, at address) {
		if s.open[at.key] != nil {
			return
		}
		o, err := s.listen(at)
		if errors.Is(err, syscall.EADDRINUSE) {
			// "[::]:5222" may be held by ourselves while "127.0.0.1:5222" is wanted.
			if room := s.makeRoom(g, at); len(room) > 0 {
				closed = append(closed, room...)
				o, err = s.listen(at)
			}
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s cannot listen on %s: %w", service.Info.Name, at.addr, reason(err)))
			return
		}
		opened = append(opened, o)
	})
	return undo, errors.Join(errs...)
}

// makeRoom closes the sockets with the port of at that g does not want any more.
func (s *sockets) makeRoom(g *generation, at address) (closed []address) {
	_, port, _ := net.SplitHostPort(at.addr)
	for key, o := range s.open {
		_, p, _ := net.SplitHostPort(o.addr)
		if p == port && o.network == at.network && g.routes[key] == nil {
			o.close()
			delete(s.open, key)
			closed = append(closed, o.address)
		}
	}
	return closed
}

func (s *sockets) listen(at address) (*socket, error) {
	o := &socket{address: at}
	var err error
	if at.network == "udp" {
		o.pc, err = listenPackets(at.addr)
	} else {
		o.ln, err = flow.Listen(context.Background(), at.addr)
	}
	if err != nil {
		return nil, err
	}
	s.open[at.key] = o
	return o, nil
}

func listenPackets(addr string) (*net.UDPConn, error) {
	at, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return nil, err
	}
	return net.ListenUDP("udp", at)
}

// reason takes the address out of a net error, which the message names already.
func reason(err error) error {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return err
	}
	switch errno {
	case syscall.EADDRINUSE:
		return errors.New("another program does; end that, or choose another address")
	case syscall.EACCES:
		return errors.New("ports below 1024 are for root, or a program with the capability CAP_NET_BIND_SERVICE")
	case syscall.EADDRNOTAVAIL:
		return errors.New("this machine has no such address")
	case syscall.EMFILE:
		return errFiles
	}
	return errno
}

// follow makes the sockets those of the current generation: what was bound accepts, what it does not want is
// closed.
func (s *sockets) follow(g *generation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, o := range s.open {
		if g.routes[key] == nil {
			o.close()
			delete(s.open, key)
			continue
		}
		s.use(o)
	}
}

func (s *sockets) use(o *socket) {
	switch {
	case o.inUse:
		return
	case o.pc != nil:
		go s.packets(o)
	default:
		go s.accept(o)
	}
	o.inUse = true
}

// close closes all sockets.
func (s *sockets) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, o := range s.open {
		o.close()
		delete(s.open, key)
	}
}

// packets lets a listener have a socket of datagrams until it is closed.
func (s *sockets) packets(o *socket) {
	l := s.a.current.Load().routes[o.key]
	if l == nil { // a reload closes this socket just now
		return
	}
	for s.survive(l, func() { l.Packets(o.pc) }) {
		time.Sleep(time.Second)
	}
}

// accept takes the connections of one socket until it is closed.
func (s *sockets) accept(o *socket) {
	pause, said := time.Duration(0), time.Time{}
	for {
		c, err := o.ln.Accept()
		if err == nil {
			if err = s.files.take(); err != nil {
				c.Close()
			}
		}
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			// Out of descriptors or memory, or the peer was gone already.
			if time.Since(said) > time.Minute {
				s.a.log.Warn("accept failed", "addr", o.addr, "cause", err)
				said = time.Now()
			}
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			time.Sleep(pause)
			continue
		}
		pause = 0
		l := s.a.current.Load().routes[o.key]
		if l == nil { // a reload closes this socket just now
			c.Close()
			continue
		}
		go func() {
			if s.survive(l, func() { l.Serve(c) }) {
				c.Close()
			}
		}()
	}
}

// survive runs what serves a socket. A panic ends that socket's service alone.
func (s *sockets) survive(l *module.Listener, serve func()) (panicked bool) {
	defer func() {
		if p := recover(); p != nil {
			panicked = true
			s.panics.Inc() // before the peer can tell
			s.a.log.Error("connection panicked", "name", l.Name, "cause", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	serve()
	return false
}

// bound lists the open sockets in the order of their services.
func (s *sockets) bound(g *generation) []Bound {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Bound
	g.eachAddress(func(service *module.Service, l *module.Listener, at address) {
		if o := s.open[at.key]; o != nil {
			list = append(list, Bound{service.Info.Name, l.Name, o.Addr(), l.Security})
		}
	})
	return slices.Clip(list)
}
