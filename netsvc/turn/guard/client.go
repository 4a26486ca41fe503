package guard

import (
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/pion/stun/v2"

	"linnet/netsvc/turn/burst"
)

// client is one allocation: what the guard must know of it. It belongs to the goroutine that reads, but inner and
// from, which do not change.
type client struct {
	inner net.UDPAddr // how pion knows the client: never the same one twice
	from  Path        // where it is
	user  *User
	relay Relay

	ends  time.Time   // whatever the client does
	timer *time.Timer // cuts it when it was not refreshed

	made     [stun.TransactionIDSize]byte // transaction of the Allocate
	lifetime uint32                       // seconds that were granted to it

	permissions []permission // few: a list is smaller than a map, and quicker
	channels    []channel
	dying       bool // a task that deletes it is under way
	touched     bool // its relay may have packets to send

	out burst.Out // packets for the client; the relay's goroutine has it
}

// permission is what lets a peer in.
type permission struct {
	peer netip.Addr
	ends time.Time
}

// channel is a number that stands for a peer.
type channel struct {
	number uint16
	peer   netip.AddrPort
	ends   time.Time
}

// permission finds the permission of a peer, nil when there is none.
func (c *client) permission(peer netip.Addr) *permission {
	for i := range c.permissions {
		if c.permissions[i].peer == peer {
			return &c.permissions[i]
		}
	}
	return nil
}

// channel finds the channel of that number, nil when there is none.
func (c *client) channel(number uint16) *channel {
	for i := range c.channels {
		if c.channels[i].number == number {
			return &c.channels[i]
		}
	}
	return nil
}

// Times of RFC 8656: sections 9 and 12. What pion keeps ends as late, give or take the moment that a request takes, so
// the guard's own notes are kept a little longer: they must not forget what pion still has.
const (
	permissionLife = 5 * time.Minute
	channelLife    = 10 * time.Minute
	afterglow      = 10 * time.Second
)

// The least and the most that an allocation lives without a refresh. pion's own timer, which must never run out, is
// always set to innerLife.
const (
	leastLife = 600
	mostLife  = 3000
	innerLife = 3599
)

// admit gives a client a place and an address to be known by.
func (g *Guard) admit(c *client) {
	places := *g.places.Load()
	port := 0
	for port < len(places) && places[port].Load() != nil {
		port++
	}
	if port == len(places) {
		more := make([]place, 2*len(places)+1)
		for i := range places {
			more[i].Store(places[i].Load())
		}
		g.places.Store(&more)
		places = more
	}
	places[port].Store(c)
	g.age++
	// The port is the place and the address the age: after 2^32 allocations an address comes again.
	c.inner = net.UDPAddr{IP: net.IPv4(byte(g.age>>24), byte(g.age>>16), byte(g.age>>8), byte(g.age)), Port: port}
	g.clients[c.from] = c
	g.link.Settle(true)
}

// place holds a client, or nil.
type place = atomic.Pointer[client]

// place finds the client of an inner address; nil when it has gone. From any goroutine.
func (g *Guard) place(a *net.UDPAddr) *client {
	places := *g.places.Load()
	if a.Port >= len(places) {
		return nil
	}
	c := places[a.Port].Load()
	if c == nil || !c.inner.IP.Equal(a.IP) {
		return nil
	}
	return c
}

// dismiss forgets a client whose allocation pion has deleted.
func (g *Guard) dismiss(c *client) {
	c.timer.Stop()
	if g.clients[c.from] == c {
		delete(g.clients, c.from)
	}
	(*g.places.Load())[c.inner.Port].CompareAndSwap(c, nil)
	g.link.Settle(len(g.clients) > 0)
}

// cut has the allocation deleted, soon. From any goroutine.
func (g *Guard) cut(c *client) {
	g.mu.Lock()
	g.orders = append(g.orders, c)
	g.mu.Unlock()
	g.link.Wake()
}

// obey makes tasks of orders.
func (g *Guard) obey() {
	g.mu.Lock()
	orders, opened := g.orders, g.opened
	g.orders, g.opened = nil, nil
	g.mu.Unlock()
	for _, o := range opened {
		g.begin(o)
	}
	for _, c := range orders {
		if !c.dying && g.clients[c.from] == c {
			g.remove(c, func(bool) {})
		}
	}
}

// remove makes the task that deletes an allocation.
func (g *Guard) remove(c *client, done func(ok bool)) {
	c.dying = true
	g.give(&task{client: c, method: stun.MethodRefresh, attributes: []stun.Setter{seconds(0)}, done: func(ok bool) {
		g.dismiss(c)
		done(ok)
	}})
}

// task is one request of the guard to pion.
type task struct {
	client     *client
	method     stun.Method
	attributes []stun.Setter
	relay      Relay         // of an Allocate: what pion's generator gets
	done       func(ok bool) // told once, by the reading goroutine

	id       [stun.TransactionIDSize]byte
	tries    int
	answered bool
	again    bool // pion has asked for its nonce
	ok       bool
}

func (g *Guard) give(t *task) {
	t.id = stun.NewTransactionID()
	g.tasks = append(g.tasks, t)
}

// feed puts the first task into p, as pion will read it.
func (g *Guard) feed(p []byte) int {
	t := g.tasks[0]
	g.task = t
	t.tries++
	t.answered, t.again = false, false
	g.opens = t.relay
	all := append([]stun.Setter{stun.NewTransactionIDSetter(t.id), stun.NewType(t.method, stun.ClassRequest)}, t.attributes...)
	if g.nonce != nil {
		all = append(all, stun.NewUsername("guard"), stun.NewRealm("guard"), raw{stun.AttrNonce, g.nonce}, stun.MessageIntegrity(g.key))
	}
	m, err := stun.Build(all...)
	if err != nil { // names and sizes are ours
		g.opts.Count.Broken.Inc()
		return 0
	}
	return copy(p, m.Raw)
}

// answered takes pion's answer to the task that it has in hand; it is called before pion reads on.
func (g *Guard) answered(b []byte) {
	t := g.task
	var m stun.Message
	m.Raw = b
	if t == nil || m.Decode() != nil || m.TransactionID != t.id {
		return
	}
	t.answered = true
	t.ok = m.Type.Class == stun.ClassSuccessResponse
	var code stun.ErrorCodeAttribute
	if !t.ok && code.GetFrom(&m) == nil && (code.Code == stun.CodeUnauthorized || code.Code == stun.CodeStaleNonce) {
		// The first request ever, or the clock was set: pion's nonces know the time of the day.
		if nonce, err := m.Get(stun.AttrNonce); err == nil && t.tries < 3 {
			g.nonce, t.again = slices.Clone(nonce), true
		}
	}
}

// settle ends the task that pion has had, or leaves it to be given once more.
func (g *Guard) settle() {
	t := g.task
	g.task = nil
	if t.again {
		return
	}
	g.tasks = g.tasks[1:]
	ok := t.answered && t.ok
	if !ok {
		g.opts.Count.Broken.Inc()
	}
	t.done(ok)
}
