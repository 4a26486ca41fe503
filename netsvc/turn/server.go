package turn

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/stun/v2"

	"linnet/netsvc/account"
	"linnet/netsvc/flow"
	"linnet/netsvc/log"
	"linnet/netsvc/peer"
	"linnet/netsvc/quota"
	"linnet/netsvc/turn/behavior"
	"linnet/netsvc/turn/credential"
	"linnet/netsvc/turn/guard"
	"linnet/netsvc/turn/relay"
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/stamp"
)

// server is what outlives generations: allocations go on over a reload. It is every guard's house.
type server struct {
	box     *relay.Box
	keeper  *credential.Keeper
	nonces  *guard.Nonces
	count   *guard.Counters
	limiter atomic.Pointer[guard.Limiter]
	rules   atomic.Pointer[rules]
	looked  atomic.Int64 // when addresses were read, since born
	born    time.Time
	outward func(network, to string) netip.Addr

	accounts *account.Accounts
	failures *account.Guard // of the operator's users
	scarce   func() bool    // whether memory is
	ledger   *quota.Ledger
	ahead    ahead
	all      bucket // of all calls
	built    time.Time
	log      *log.Logger

	gate      *flow.Gate
	announcer announcer
	behavior  behavior.Responder
	watching  sync.Once // of accounts

	mu      sync.Mutex
	running context.Context
	end     context.CancelFunc
	guards  map[*guard.Guard]bool
	serving sync.WaitGroup // guards
	calls   map[uint64]*call
	byUser  map[owner]*usage
	number  uint64 // of the newest call
}

// rules are the values of one generation, never changed.
type rules struct {
	realm            string
	relay4, relay6   netip.Addr // to bind relays to; zero: none of that family
	found            bool       // they were not given: they are those that lead to the internet, and change with it
	external         netip.Addr // what the world knows relay4 by; zero: the same
	low, high        uint16
	allow, deny      []netip.Prefix
	maxCall          time.Duration
	perUser, total   int
	userRate, rate   int64 // bytes a second, 0 for no limit
	permissions      int
	channels         int
	answers, answerB int
	life             time.Duration // of credentials
}

// owner is whose an allocation is: an account, or a user of the operator's.
type owner struct {
	account account.ID
	name    string
}

// tag is what a credential is known to be, in guard.User.
type tag struct {
	owner
	label string  // for the operator: the account's address, or the user's name
	jid   jid.JID // the account's
}

// call is one allocation.
type call struct {
	number uint64
	user   *guard.User
	tag    tag
	ask    guard.Ask
	relay  *relay.Relay
	since  time.Time
	server *server
	usage  *usage

	account *quota.Account
	spent   atomic.Bool // it was cut because a limit was reached
}

// usage is what one user has now. calls is guarded by the server's mutex.
type usage struct {
	calls int
	bucket
}

func newServer() *server {
	s := &server{
		born: time.Now(), gate: flow.NewGate(0, 0), outward: outward, keeper: credential.NewKeeper(), nonces: guard.NewNonces(),
		guards: make(map[*guard.Guard]bool), calls: make(map[uint64]*call), byUser: make(map[owner]*usage),
	}
	s.behavior.Allow = func(to netip.Addr, n int) bool { return s.limiter.Load().Allow(to, n) }
	return s
}

// Realm implements guard.House.
func (s *server) Realm() string { return s.rules.Load().realm }

// clockSet reports whether credentials can be issued and told to be good.
func (s *server) clockSet(now time.Time) bool { return stamp.IsSet(now, s.built) }

// User implements guard.House.
func (s *server) User(name string, from netip.AddrPort) *guard.User {
	realm := s.Realm()
	n, ok := credential.Parse(name)
	if !ok {
		u := s.keeper.Named(name)
		if u == nil || u.Realm != realm || s.failures.Ask(from.Addr(), jid.JID{}).Refuse {
			return nil
		}
		return &guard.User{Name: name, Key: u.Key, Tag: tag{owner: owner{name: name}, label: name}}
	}
	now := time.Now()
	secret := s.keeper.Find(n.Secret)
	if secret == nil || !s.clockSet(now) || !n.Good(secret, now) {
		return nil
	}
	// The number means something only if the password is right, which the guard finds out next.
	id := n.Account(secret)
	who, ok, err := s.accounts.ByID(id)
	if err != nil {
		s.log.Error("account cannot be read", "cause", err)
	}
	if !ok || who.Disabled {
		return nil
	}
	return &guard.User{Name: name, Key: secret.KeyOf(name, realm), Tag: tag{owner: owner{account: id}, label: who.JID.String(), jid: who.JID}}
}

// Failed implements guard.House. Passwords that people have chosen can be guessed; those of credentials have 160 bits.
func (s *server) Failed(u *guard.User, from netip.AddrPort) {
	if u.Tag.(tag).name != "" {
		s.failures.Failed(from.Addr(), jid.JID{})
	}
}

// Open implements guard.House.
func (s *server) Open(u *guard.User, ask *guard.Ask, done func(guard.Relay, stun.ErrorCode)) {
	r, t := s.rules.Load(), u.Tag.(tag)
	s.lookAgain()
	local := r.relay4
	if ask.IPv6 {
		local = r.relay6
	}
	if !local.IsValid() {
		done(nil, stun.CodeAddrFamilyNotSupported)
		return
	}
	if s.scarce() {
		done(nil, stun.CodeInsufficientCapacity)
		return
	}
	c, code := s.enter(u, t, ask)
	if code != 0 {
		done(nil, code)
		return
	}
	// The ledger answers when it has written something to disk.
	go func() {
		relay, code := s.open(c, local)
		if code != 0 {
			c.Close()
			done(nil, code)
			return
		}
		done(relay, 0)
	}()
}

// open opens the account and the relay of a call.
func (s *server) open(c *call, local netip.Addr) (*relay.Relay, stun.ErrorCode) {
	ctx, cancel := context.WithTimeout(s.context(), patience)
	defer cancel()
	var err error
	c.account, err = s.ledger.Open(ctx, quota.Flow{Service: "turn", From: c.tag.jid, Requester: c.tag.jid})
	var limit *quota.Limit
	switch {
	case errors.As(err, &limit):
		s.log.Info("call refused", "cause", limit)
		return nil, stun.CodeAllocQuotaReached
	case err != nil:
		s.log.Warn("call refused", "cause", err)
		return nil, stun.CodeInsufficientCapacity
	}
	r := s.rules.Load()
	spec := relay.Spec{Local: local, Low: r.low, High: r.high, Even: c.ask.EvenPort, DontFragment: c.ask.DontFragment, External: s.external, Meter: c}
	if local.Is4() {
		spec.Ports = s.ahead.ready()
	}
	opened, err := s.box.Open(spec)
	if err != nil {
		if !errors.Is(err, relay.ErrNoPort) {
			s.log.Warn("relay not opened", "addr", local.String(), "cause", err)
		}
		return nil, stun.CodeInsufficientCapacity
	}
	s.ahead.take(opened.Local().Port())
	s.mu.Lock()
	c.relay = opened
	s.mu.Unlock()
	return opened, 0
}

// patience is how long the ledger may take. A client asks for seconds before it gives up.
const patience = 10 * time.Second

// external is how the world knows a relay's address.
func (s *server) external(local netip.AddrPort) netip.AddrPort {
	r := s.rules.Load()
	switch {
	case local.Addr() != r.relay4:
	case r.external.IsValid():
		return netip.AddrPortFrom(r.external, local.Port())
	default:
		if ext, ok := s.ahead.external(local.Port()); ok {
			return ext
		}
	}
	return local
}

// enter notes a call, within the limits of allocations: 486 beyond those of the user, 508 beyond those of the box.
func (s *server) enter(u *guard.User, t tag, ask *guard.Ask) (*call, stun.ErrorCode) {
	r := s.rules.Load()
	s.mu.Lock()
	defer s.mu.Unlock()
	used := s.byUser[t.owner]
	if used != nil && used.calls >= r.perUser {
		return nil, stun.CodeAllocQuotaReached
	}
	if len(s.calls) >= r.total {
		return nil, stun.CodeInsufficientCapacity
	}
	if used == nil {
		used = new(usage)
		s.byUser[t.owner] = used
	}
	used.calls++
	s.number++
	c := &call{number: s.number, user: u, tag: t, ask: *ask, since: time.Now(), server: s, usage: used}
	s.calls[c.number] = c
	return c, 0
}

// Close implements relay.Meter: the call is over.
func (c *call) Close() {
	s := c.server
	s.mu.Lock()
	delete(s.calls, c.number)
	if c.usage.calls--; c.usage.calls == 0 {
		delete(s.byUser, c.tag.owner)
	}
	opened := c.relay
	s.mu.Unlock()
	if opened != nil {
		s.ahead.give(opened.Local().Port())
	}
	if c.account != nil {
		c.account.Close("ended")
	}
}

// Pass implements relay.Meter. A call that has reached a limit of bytes ends; one that is too fast loses packets.
func (c *call) Pass(n int, out bool) bool {
	r := c.server.rules.Load()
	if r.userRate > 0 && !c.usage.take(n, r.userRate) || r.rate > 0 && !c.server.all.take(n, r.rate) {
		return false
	}
	d := quota.Back
	if out {
		d = quota.Forward
	}
	err := c.account.Take(d, int64(n))
	if err == nil {
		return true
	}
	var limit *quota.Limit
	if errors.As(err, &limit) && !c.spent.Swap(true) {
		c.server.log.Info("call ended", "cause", limit)
		go c.ask.Cut() // not from within a packet
	}
	return false
}

// list returns the calls that match by their numbers.
func (s *server) list(match func(*call) bool) []*call {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*call, 0, len(s.calls))
	for _, c := range s.calls {
		if match(c) {
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(a, b *call) int { return cmp.Compare(a.number, b.number) })
	return all
}

// isOpen matches the calls that have a relay.
func isOpen(c *call) bool { return c.relay != nil }

// cut ends the calls that match, those too whose relay is not open yet, and tells how many those are.
func (s *server) cut(match func(*call) bool) int {
	list := s.list(match)
	for _, c := range list {
		c.ask.Cut()
	}
	return len(list)
}

// changed cuts the calls of an account that must not call any more.
func (s *server) changed(c account.Change) {
	if c.Kind == account.Disabled || c.Kind == account.Deleted {
		s.cut(func(k *call) bool { return k.tag.account == c.Account.ID && k.tag.name == "" })
	}
}

// serve runs a guard until its link ends.
func (s *server) serve(link guard.Link) {
	r := s.rules.Load()
	g := guard.New(link, guard.Options{
		House: s, Nonces: s.nonces, Limiter: s.limiter.Load(), Count: s.count,
		MaxCall: r.maxCall, Permissions: r.permissions, Channels: r.channels,
	})
	s.mu.Lock()
	if s.running.Err() != nil {
		s.mu.Unlock()
		return
	}
	s.guards[g] = true
	s.serving.Add(1)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.guards, g)
		s.mu.Unlock()
		s.serving.Done()
	}()
	g.Serve()
}

// start lets guards serve; context ends when stop is called.
func (s *server) start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running, s.end = context.WithCancel(context.Background())
	go s.watch(s.running)
}

func (s *server) context() context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running
}

// stop ends all guards and waits for them, as long as ctx allows.
func (s *server) stop(ctx context.Context) error {
	s.mu.Lock()
	s.end()
	for g := range s.guards {
		g.Close()
	}
	s.mu.Unlock()
	done := make(chan struct{})
	go func() { s.serving.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// use puts the values of a generation into force. Another realm, or other bounds of an allocation, end all calls: the
// keys of their users are bound to the old one.
func (s *server) use(r *rules) {
	old := s.rules.Swap(r)
	if old == nil || old.answers != r.answers || old.answerB != r.answerB {
		s.limiter.Store(guard.NewLimiter(r.answers, r.answerB))
	}
	s.look()
	s.ahead.use(r)
	if old == nil || old.realm == r.realm && old.maxCall == r.maxCall && old.permissions == r.permissions && old.channels == r.channels && old.answers == r.answers && old.answerB == r.answerB {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log.Warn("TURN begins anew: all calls through it end", "count", len(s.calls))
	for g := range s.guards {
		g.Close()
	}
}

// look reads the addresses of the box anew, which decide who is a peer.
func (s *server) look() {
	here, err := peer.Here()
	if err != nil {
		s.log.Warn("addresses of this machine cannot be read: nobody is called", "cause", err)
		s.box.SetRules(nil)
		return
	}
	r := s.rules.Load()
	// The address that a router has is this box's, too: behind its ports are the services of the house.
	for _, a := range []netip.Addr{r.external, s.ahead.outside.Address()} {
		if a.IsValid() {
			here.Own = append(here.Own, a)
		}
	}
	s.box.SetRules(peer.New(here, r.allow, r.deny))
}

// lookAgain is look for what was not looked at for a while.
func (s *server) lookAgain() {
	now := int64(time.Since(s.born))
	if last := s.looked.Load(); now-last > int64(5*time.Second) && s.looked.CompareAndSwap(last, now) {
		s.look()
		s.follow()
	}
}

// follow finds the addresses of relays anew, where they were not given: a provider changes them, or the way to the
// internet comes after the start. Calls that go on keep theirs.
func (s *server) follow() {
	r := s.rules.Load()
	if r == nil || !r.found {
		return
	}
	fresh := *r
	fresh.find(s.outward)
	if fresh.relay4 == r.relay4 && fresh.relay6 == r.relay6 || !s.rules.CompareAndSwap(r, &fresh) {
		return
	}
	s.log.Info("relays have other addresses", "before", addresses(r), "after", addresses(&fresh))
	s.look()
	s.ahead.use(&fresh)
	s.announcer.again()
}

// find finds the addresses that lead to the internet.
func (r *rules) find(outward func(network, to string) netip.Addr) {
	r.found = true
	r.relay4, r.relay6 = outward("udp4", "192.0.2.1:9"), outward("udp6", "[2001:db8::1]:9")
}

func addresses(r *rules) string {
	text := ""
	for _, a := range []netip.Addr{r.relay4, r.relay6} {
		if a.IsValid() {
			text += a.String() + " "
		}
	}
	return strings.TrimSpace(text)
}

// watch looks at what nobody tells of, until ctx ends: the clock, certificates, and the addresses while there are calls.
func (s *server) watch(ctx context.Context) {
	t := time.NewTicker(30 * time.Second)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			s.follow()
			s.announcer.look()
			if s.box.Len() > 0 {
				s.look()
			}
		}
	}
}
