package guard

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/logging"
	"github.com/pion/stun/v2"
	"github.com/pion/turn/v3"

	"linnet/netsvc/turn/burst"
)

// Link is the clients' side of a guard: one UDP socket or one stream.
type Link interface {
	// Receive waits for the next packet or frame. The error ErrWoken is that of Wake, any other ends the guard; an n of 0
	// without an error is something that was not worth a look.
	Receive(p []byte) (n int, from Path, err error)
	// Buffered reports whether Receive has more without waiting.
	Buffered() bool
	// Send sends a packet, from any goroutine. What cannot be sent is lost.
	Send(p []byte, to Path)
	// Gather sends a packet now or with the next Flush of o, whichever is cheaper. Each o belongs to one goroutine.
	Gather(o *burst.Out, p []byte, to Path)
	Flush(o *burst.Out)
	// Wake ends a Receive under way, or the next one, with ErrWoken. From any goroutine.
	Wake()
	// Close ends Receive for good.
	Close() error
	// Local is our end, and Transport "udp", "tcp" or "tls".
	Local() netip.AddrPort
	Transport() string
	// Settle says whether the client has an allocation now, so that a stream knows how patient to be.
	Settle(bool)
}

// Path is what a client is told apart by, with the Link: its end, and ours where the Link has several.
type Path struct {
	From netip.AddrPort
	Via  netip.Addr
}

// ErrWoken is what Receive returns after Wake.
var ErrWoken = errors.New("guard: woken")

// mtu is the largest packet that pion is given, one less than its buffer. Peers' datagrams are at most 1600 bytes,
// which is the size of pion's buffer for them.
const mtu = 2047

// Guard serves one Link. What is not said to be for others belongs to the goroutine that reads, which is Serve's
// first and pion's later.
type Guard struct {
	opts  Options
	house House
	link  Link
	local net.UDPAddr // what pion takes our end for

	clients map[Path]*client
	places  atomic.Pointer[[]place] // by the port of the inner address; replaced when there must be more
	age     uint32                  // of the newest inner address
	request request

	tasks []*task // for pion, before anything that comes from the net
	task  *task   // the one that pion has in hand, the first of tasks
	key   []byte  // between pion and the guard
	nonce []byte  // pion's; nil before it has given the first
	opens Relay   // for pion's generator

	relays sync.WaitGroup // relays that are open
	ended  chan struct{}  // closed when reading has

	opening map[Path]*opening
	touched []*client // whose relays have packets to send

	mu     sync.Mutex
	orders []*client  // to be cut
	opened []*opening // answers of the house
	over   bool       // Serve has ended: nobody takes answers any more
}

// New makes the guard of a link.
func New(link Link, o Options) *Guard {
	g := &Guard{
		opts: o, house: o.House, link: link, local: net.UDPAddr{IP: net.IPv4zero.To16(), Port: 1},
		clients: make(map[Path]*client), opening: make(map[Path]*opening), key: make([]byte, 20), ended: make(chan struct{}),
	}
	rand.Read(g.key)
	g.places.Store(new([]place))
	return g
}

// Serve serves the link until it is closed or fails, and returns when all its allocations have ended.
//
// pion comes in with the first request that is authenticated and granted: the floods of strangers, and clients that
// only want to know their address, do not cost a server.
func (g *Guard) Serve() {
	buffer := make([]byte, mtu+1)
	c, n := g.next(buffer)
	if c != nil {
		inner := &conn{g: g, first: buffer[:n], whose: c}
		_, err := turn.NewServer(turn.ServerConfig{
			Realm: "guard",
			AuthHandler: func(name, realm string, _ net.Addr) ([]byte, bool) {
				return g.key, name == "guard" && realm == "guard"
			},
			PacketConnConfigs: []turn.PacketConnConfig{{PacketConn: inner, RelayAddressGenerator: generator{g}}},
			LoggerFactory:     silence{},
			InboundMTU:        mtu + 1,
		})
		if err != nil { // the configuration above is constant: this does not happen
			g.opts.Count.Broken.Inc()
			close(g.ended)
		}
		<-g.ended
	}
	g.link.Close()
	for _, c := range g.clients {
		c.timer.Stop()
	}
	g.mu.Lock()
	g.over = true
	late := g.opened
	g.mu.Unlock()
	for _, o := range late {
		if o.relay != nil {
			o.relay.Close()
		}
	}
	g.relays.Wait()
}

// Close ends Serve. From any goroutine.
func (g *Guard) Close() { g.link.Close() }

// next reads until there is something for pion, and puts it into p. A nil client is the end.
func (g *Guard) next(p []byte) (*client, int) {
	for {
		if g.task != nil {
			g.settle()
		}
		g.obey()
		if len(g.tasks) > 0 {
			return g.tasks[0].client, g.feed(p)
		}
		if len(g.touched) > 0 && !g.link.Buffered() {
			g.flush()
		}
		n, from, err := g.link.Receive(p[:mtu])
		switch {
		case err == ErrWoken:
			continue
		case err != nil:
			return nil, 0
		case n == 0:
			g.opts.Count.Malformed.Inc()
			continue
		}
		if c := g.handle(p[:n], from); c != nil {
			if !c.touched {
				c.touched = true
				g.touched = append(g.touched, c)
			}
			return c, n
		}
	}
}

// flush has relays send what clients gave them while packets came one after another.
func (g *Guard) flush() {
	for i, c := range g.touched {
		c.touched = false
		c.relay.Flush()
		g.touched[i] = nil
	}
	g.touched = g.touched[:0]
}

// handle looks at one packet and returns the client if pion is to have it as it is. A mistake in here costs the packet,
// not the process: pion's goroutine could not be saved from it.
func (g *Guard) handle(b []byte, from Path) (relay *client) {
	defer func() {
		if recover() != nil {
			g.opts.Count.Panics.Inc()
			relay = nil
		}
	}()
	if len(b) >= 4 && b[0]>>6 == 1 {
		return g.channelData(b, from)
	}
	if !wellFormed(b) {
		if !g.classic(b, from) {
			g.opts.Count.Malformed.Inc()
		}
		return nil
	}
	switch k := kindOf(b); {
	case k.Class == stun.ClassIndication && k.Method == stun.MethodSend:
		return g.send(b, from)
	case k.Class == stun.ClassRequest:
		if g.request.read(b, from) {
			g.serve(&g.request)
		}
	}
	// Responses, other indications (a Binding indication is a keep-alive, which needs no answer).
	return nil
}

// serve answers one request, or makes a task of it.
func (g *Guard) serve(r *request) {
	switch r.method {
	case stun.MethodBinding:
		g.binding(r)
		return
	case stun.MethodAllocate, stun.MethodRefresh, stun.MethodCreatePermission, stun.MethodChannelBind:
	default:
		return // an unknown method is dropped, RFC 8489 section 6.3
	}
	if !g.authenticate(r) {
		return
	}
	if list := r.unknown(); len(list) > 0 {
		g.refuse(r, stun.CodeUnknownAttribute, list)
		return
	}
	c := g.clients[r.from]
	if r.method == stun.MethodAllocate {
		g.allocate(r, c)
		return
	}
	switch { // RFC 8656 section 5
	case c == nil:
		g.refuse(r, stun.CodeAllocMismatch)
	case c.user.Name != r.who.Name:
		g.refuse(r, stun.CodeWrongCredentials)
	case r.method == stun.MethodRefresh:
		g.refresh(r, c)
	case r.method == stun.MethodCreatePermission:
		g.createPermission(r, c)
	default:
		g.channelBind(r, c)
	}
}

// binding answers with the client's address, RFC 8489 section 12: at most twice as long as the question, 2.6 times for
// IPv6.
func (g *Guard) binding(r *request) {
	if list := r.unknown(); len(list) > 0 {
		g.answer(r, stun.ClassErrorResponse, nil, stun.ErrorCodeAttribute{Code: stun.CodeUnknownAttribute}, list) // no words: it must be short
		return
	}
	if g.answer(r, stun.ClassSuccessResponse, nil, mapped{stun.AttrXORMappedAddress, r.from.From}) {
		g.opts.Count.Bindings.Inc()
	}
}

// authenticate is RFC 8489 section 9.2.4. It answers what fails.
func (g *Guard) authenticate(r *request) bool {
	if !r.integrity {
		return g.challenge(r, stun.CodeUnauthorized)
	}
	name, named := r.get(stun.AttrUsername)
	realm, in := r.get(stun.AttrRealm)
	nonce, with := r.get(stun.AttrNonce)
	switch {
	case !named || !in || !with:
		g.count(stun.CodeBadRequest)
		g.answer(r, stun.ClassErrorResponse, nil, stun.CodeBadRequest)
		return false
	case !g.opts.Nonces.good(nonce, r.from.From):
		return g.challenge(r, stun.CodeStaleNonce)
	case string(realm) != g.house.Realm():
		return g.challenge(r, stun.CodeUnauthorized)
	}
	// What a credential allowed to begin may go on when its time is over, or the secret was replaced.
	u := (*User)(nil)
	if c := g.clients[r.from]; c != nil && c.user.Name == string(name) {
		u = c.user
	} else {
		u = g.house.User(string(name), r.from.From)
	}
	if u == nil {
		return g.challenge(r, stun.CodeUnauthorized)
	}
	if stun.MessageIntegrity(u.Key).Check(&r.message) != nil {
		g.house.Failed(u, r.from.From)
		return g.challenge(r, stun.CodeUnauthorized)
	}
	r.who = user{u, u.Key}
	return true
}

// challenge asks for (other) credentials. It returns false.
func (g *Guard) challenge(r *request, code stun.ErrorCode) bool {
	g.count(code)
	g.answer(r, stun.ClassErrorResponse, nil, code, raw{stun.AttrNonce, g.opts.Nonces.make(r.from.From)}, raw{stun.AttrRealm, []byte(g.house.Realm())})
	return false
}

// refuse answers an authenticated request with an error, signed: clients drop what is not.
func (g *Guard) refuse(r *request, code stun.ErrorCode, more ...stun.Setter) {
	g.count(code)
	g.answer(r, stun.ClassErrorResponse, r.who.key, append([]stun.Setter{code}, more...)...)
}

// answer sends an answer, and reports whether it did: answers that are not signed go to strangers, who are limited
// unless they have an allocation.
func (g *Guard) answer(r *request, class stun.MessageClass, key []byte, attributes ...stun.Setter) bool {
	all := append([]stun.Setter{stun.NewTransactionIDSetter(r.id), stun.NewType(r.method, class)}, attributes...)
	if key != nil {
		all = append(all, stun.MessageIntegrity(key))
	}
	if r.fingerprint {
		all = append(all, stun.Fingerprint)
	}
	m, err := stun.Build(all...)
	if err != nil {
		g.opts.Count.Broken.Inc()
		return false
	}
	if key == nil && g.clients[r.from] == nil && !g.opts.Limiter.Allow(r.from.From.Addr(), len(m.Raw)) {
		g.opts.Count.Limited.Inc()
		return false
	}
	g.link.Send(m.Raw, r.from)
	return true
}

var codes = map[stun.ErrorCode]string{
	400: "400", 401: "401", 403: "403", 420: "420", 437: "437", 438: "438", 440: "440", 441: "441", 442: "442", 443: "443", 486: "486", 500: "500", 508: "508",
}

func (g *Guard) count(code stun.ErrorCode) { g.opts.Count.Refused.With(codes[code]).Inc() }

// send looks at a Send indication, RFC 8656 section 11.2.
func (g *Guard) send(b []byte, from Path) *client {
	c := g.clients[from]
	if c == nil {
		g.opts.Count.Stray.Inc()
		return nil
	}
	var peer netip.AddrPort
	var data bool
	for p := b[header:]; len(p) > 0; {
		t, n := stun.AttrType(binary.BigEndian.Uint16(p)), int(binary.BigEndian.Uint16(p[2:]))
		switch t {
		case stun.AttrXORPeerAddress:
			a, ok := addressOf(p[4:4+n], (*[12]byte)(b[8:header]))
			if !ok || peer.IsValid() {
				g.opts.Count.Malformed.Inc()
				return nil
			}
			peer = a
		case stun.AttrData:
			data = true
		case stun.AttrDontFragment:
		default:
			if t.Required() { // section 6.3.2 of RFC 8489
				g.opts.Count.Malformed.Inc()
				return nil
			}
		}
		p = p[4+(n+3)&^3:]
	}
	if !data || !peer.IsValid() {
		g.opts.Count.Malformed.Inc()
		return nil
	}
	if c.permission(peer.Addr()) == nil {
		g.opts.Count.Stray.Inc()
		return nil
	}
	return c
}

// channelData looks at a ChannelData message, RFC 8656 section 12.4.
func (g *Guard) channelData(b []byte, from Path) *client {
	number, n := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
	if number > channelEnd || n > len(b)-4 {
		g.opts.Count.Malformed.Inc()
		return nil
	}
	c := g.clients[from]
	if c == nil || c.channel(number) == nil {
		g.opts.Count.Stray.Inc()
		return nil
	}
	return c
}

// silence is pion's log: its texts would be made for every packet.
type silence struct{}

func (silence) NewLogger(string) logging.LeveledLogger { return silence{} }
func (silence) Trace(string)                           {}
func (silence) Tracef(string, ...any)                  {}
func (silence) Debug(string)                           {}
func (silence) Debugf(string, ...any)                  {}
func (silence) Info(string)                            {}
func (silence) Infof(string, ...any)                   {}
func (silence) Warn(string)                            {}
func (silence) Warnf(string, ...any)                   {}
func (silence) Error(string)                           {}
func (silence) Errorf(string, ...any)                  {}

// generator hands pion the relay that was opened for it.
type generator struct{ g *Guard }

var errNoRelay = errors.New("guard: no relay was opened")

func (generator) Validate() error { return nil }

func (n generator) AllocatePacketConn(string, int) (net.PacketConn, net.Addr, error) {
	r := n.g.opens
	n.g.opens = nil
	if r == nil {
		return nil, nil, errNoRelay
	}
	return &closer{Relay: r, g: n.g, client: n.g.task.client}, net.UDPAddrFromAddrPort(r.Addr()), nil
}

func (generator) AllocateConn(string, int) (net.Conn, net.Addr, error) { return nil, nil, errNoRelay }

// closer is a relay as pion has it: what it reads goes to the client in bursts, and its end is noted.
type closer struct {
	Relay
	g      *Guard
	client *client
	once   sync.Once
}

// ReadFrom sends what was gathered before it waits.
func (c *closer) ReadFrom(p []byte) (int, net.Addr, error) {
	if c.client.out.Len() > 0 && !c.Relay.Buffered() {
		c.g.link.Flush(&c.client.out)
	}
	return c.Relay.ReadFrom(p)
}

// Close never fails: pion would leave the other allocations open.
func (c *closer) Close() error {
	c.once.Do(func() {
		c.Relay.Close()
		c.g.relays.Done()
	})
	return nil
}

// conn is the guard as pion sees it. ReadFrom is called by pion's reader only, WriteTo by it and the relays.
type conn struct {
	g     *Guard
	first []byte // read before pion was there
	whose *client
}

func (n *conn) ReadFrom(p []byte) (int, net.Addr, error) {
	g := n.g
	if n.first != nil {
		k := copy(p, n.first)
		n.first = nil
		return k, &n.whose.inner, nil
	}
	c, k := g.next(p)
	if c == nil {
		close(g.ended)
		return 0, nil, net.ErrClosed
	}
	return k, &c.inner, nil
}

func (n *conn) WriteTo(p []byte, to net.Addr) (int, error) {
	g := n.g
	if p[0]>>6 == 0 && kindOf(p).Class != stun.ClassIndication {
		g.answered(p)
		return len(p), nil
	}
	if c := g.place(to.(*net.UDPAddr)); c != nil {
		g.link.Gather(&c.out, p, c.from) // by the goroutine of this client's relay
	}
	return len(p), nil
}

func (n *conn) LocalAddr() net.Addr              { return &n.g.local }
func (n *conn) Close() error                     { return n.g.link.Close() }
func (n *conn) SetDeadline(time.Time) error      { return nil }
func (n *conn) SetReadDeadline(time.Time) error  { return nil }
func (n *conn) SetWriteDeadline(time.Time) error { return nil }
