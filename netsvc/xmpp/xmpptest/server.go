package xmpptest

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"linnet/netsvc/account"
	"linnet/netsvc/log"
	"linnet/netsvc/module/moduletest"
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/wire/xmlstream"
	"linnet/netsvc/xmpp"
	"linnet/store"
)

// Server is a server without connections. It implements xmpp.Server.
type Server struct {
	t          testing.TB
	hosts      []string
	log        *log.Logger
	running    *moduletest.Running
	accounts   *account.Accounts
	store      atomic.Pointer[store.Store]
	generation atomic.Pointer[generation]
	contacts   *contacts
	settle     func() // waits until nothing is under way

	mu      sync.Mutex
	all     map[jid.JID]*Account
	peers   map[string]*Peer
	numbers map[string]int // of flags and slots
}

func newServer(t testing.TB, o Options) *Server {
	s := &Server{t: t, hosts: o.Hosts, log: o.Log, all: map[jid.JID]*Account{}, peers: map[string]*Peer{}, numbers: map[string]int{}}
	s.contacts = &contacts{s}
	return s
}

func (s *Server) Hosts() []string             { return s.hosts }
func (s *Server) Accounts() *account.Accounts { return s.accounts }

func (s *Server) IsHost(domain string) bool {
	for _, h := range s.hosts {
		if h == domain {
			return true
		}
	}
	return false
}

func (s *Server) Account(bare jid.JID) (xmpp.Account, bool, error) {
	a, err := s.find(bare)
	if a == nil {
		return nil, false, err
	}
	return a, true, nil
}

func (s *Server) Online(f func(xmpp.Account) bool) {
	s.mu.Lock()
	list := sortedKeys(s.all)
	s.mu.Unlock()
	for _, j := range list {
		s.mu.Lock()
		a := s.all[j]
		s.mu.Unlock()
		if a != nil && len(a.Sessions()) > 0 && !f(a) {
			return
		}
	}
}

func (s *Server) Route(st *stanza.Stanza) { s.reply(st) }

// find returns the account, retained, nil when there is none.
func (s *Server) find(bare jid.JID) (*Account, error) {
	user, ok, err := s.accounts.Lookup(bare)
	if err != nil || !ok {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.all[bare]
	if a == nil || a.id != user.ID {
		a = &Account{server: s, id: user.ID, jid: bare, contacts: map[jid.JID]xmpp.Subscription{}}
		s.all[bare] = a
	}
	a.Retain()
	return a, nil
}

// Register makes an account, if there is none of that address, and returns it.
func (s *Server) Register(bare string) *Account {
	s.t.Helper()
	j := jid.MustParse(bare)
	if ok, _ := s.accounts.Exists(j); !ok {
		if _, err := s.accounts.Create(context.Background(), account.NewAccount{JID: j}); err != nil {
			s.t.Fatalf("%s: %v", j, err)
		}
	}
	return s.account(bare)
}

func (s *Server) account(bare string) *Account {
	s.t.Helper()
	a, err := s.find(jid.MustParse(bare))
	if a == nil {
		s.t.Fatalf("no account %s (%v)", bare, err)
	}
	a.Release() // it stays in memory anyway
	return a
}

func (s *Server) accountLeaves(c account.Account) (end func()) {
	a, err := s.find(c.JID)
	if a == nil {
		s.t.Errorf("%s leaves and cannot be found: %v", c.JID, err)
		return nil
	}
	s.generation.Load().hooks.Leaving.Tell(a)
	return a.Release
}

func (s *Server) accountChanged(c account.Change) {
	s.mu.Lock()
	a := s.all[c.Account.JID]
	s.mu.Unlock()
	if a == nil || c.Kind != account.Deleted && c.Kind != account.Disabled {
		return
	}
	for _, ss := range a.Sessions() {
		ss.End("not-authorized", "")
	}
	if c.Kind == account.Deleted {
		s.generation.Load().hooks.Removed.Tell(a)
	}
}

// fromClient is the way of a stanza that a local client sent.
func (s *Server) fromClient(ss *session, st *stanza.Stanza) {
	g := s.generation.Load()
	t := new(xmpp.Transit)
	t.Reset(st, ss, ss.account)
	defer s.finish(t)
	switch {
	case st.Kind == stanza.Presence && st.To.IsZero():
		s.ownPresence(ss, st)
		return
	case st.Kind == stanza.Message && st.To.IsZero():
		t.Stanza = st.Redirect(ss.account.jid)
	}
	refused, taken := g.hooks.Sent.Run(t)
	switch {
	case refused != nil:
		if reply := t.Stanza.Fail(refused); reply != nil {
			ss.Send(reply)
		}
	case !taken:
		s.route(g, t)
	}
}

// finish submits what goes with the stanza, and makes the Transit useless for
// who kept it.
func (s *Server) finish(t *xmpp.Transit) {
	if after := t.Done(); len(after) > 0 || t.Batch.Len() > 0 {
		s.Store().Submit(&t.Batch, func(err error) {
			for _, f := range after {
				f(err)
			}
		})
	}
	t.Reset(nil, nil, nil)
}

func (s *Server) ownPresence(ss *session, st *stanza.Stanza) {
	g := s.generation.Load()
	switch st.Type {
	case stanza.Available:
		ss.status.Store(nil)
		was := ss.presence.Swap(st)
		g.hooks.Presence.Tell(xmpp.PresenceChange{Session: ss, Was: was, Now: st})
		if was == nil {
			g.hooks.Available.Tell(ss)
		}
	case stanza.Unavailable:
		if n := st.Node(xmlstream.ClientSpace, "status"); n != nil {
			ss.status.Store(&n.Text)
		}
		if was := ss.presence.Swap(nil); was != nil {
			g.hooks.Presence.Tell(xmpp.PresenceChange{Session: ss, Was: was, Leaving: st})
		}
	default:
		s.bounce(st, stanza.NewError(stanza.BadRequest, "this type of presence needs an address"))
	}
}

func (s *Server) route(g *generation, t *xmpp.Transit) {
	to := t.Stanza.To
	switch {
	case to.IsZero():
		s.answer(g, t)
	case s.place(g, to).IsReady():
		s.toService(g, t, s.place(g, to))
	case !s.IsHost(to.Domain()):
		s.Peer(to.Domain()).put(t.Stanza)
	case to.Local() == "":
		s.toHost(g, t)
	default:
		a, err := s.find(to.Bare())
		if err != nil {
			s.bounce(t.Stanza, stanza.NewError(stanza.InternalServerError, ""))
			return
		}
		if a == nil {
			if t.Stanza.Kind != stanza.Presence {
				s.bounce(t.Stanza, stanza.NewError(stanza.ServiceUnavailable, ""))
			}
			return
		}
		defer a.Release()
		t.Reset(t.Stanza, t.Session, a)
		refused, taken := g.hooks.Received.Run(t)
		switch {
		case refused != nil:
			s.bounce(t.Stanza, refused)
		case !taken:
			s.deliver(g, t, a)
		}
	}
}

func (s *Server) toHost(g *generation, t *xmpp.Transit) {
	if t.Stanza.Kind == stanza.IQ {
		s.answer(g, t)
		return
	}
	if refused, taken := g.hooks.Host.Run(t); refused != nil {
		s.bounce(t.Stanza, refused)
	} else if !taken && t.Stanza.Kind == stanza.Message {
		s.bounce(t.Stanza, stanza.NewError(stanza.ServiceUnavailable, ""))
	}
}

// answer hands an IQ to who declared it.
func (s *Server) answer(g *generation, t *xmpp.Transit) {
	st := t.Stanza
	if st.Type == stanza.Result || st.Type == stanza.TypeError {
		return
	}
	of, scope := t.Account, xmpp.ToSelf
	switch {
	case st.To.IsZero():
	case st.To.Local() == "":
		of, scope = nil, xmpp.ToHost
	case st.From.Bare() != st.To:
		scope = xmpp.ToAccount
	}
	space, local := st.PayloadName()
	d := g.iqs[iqKey{space, local, scope}]
	handle := s.handler(d, st)
	if handle == nil {
		return
	}
	host := st.To.Domain()
	if of != nil {
		host = of.JID().Domain()
	}
	r := xmpp.NewRequest(st, t.Session, of, host, s.log, s.reply)
	if d.Fresh && of != nil {
		of.AfterWrites(func() { handle(r) })
		return
	}
	handle(r)
}

// handler is the half of d that answers; nil when the request has been refused.
func (s *Server) handler(d *xmpp.IQ, st *stanza.Stanza) func(*xmpp.Request) {
	if d == nil {
		s.bounce(st, stanza.NewError(stanza.ServiceUnavailable, ""))
		return nil
	}
	handle := d.Get
	if st.Type == stanza.Set {
		handle = d.Set
	}
	if handle == nil {
		s.bounce(st, stanza.NewError(stanza.FeatureNotImplemented, ""))
	}
	return handle
}

// place is the service at an address.
func (s *Server) place(g *generation, to jid.JID) xmpp.Place {
	places, err := xmpp.Places(g.disco.Services, s.hosts)
	if err != nil {
		s.t.Error(err)
	}
	return places[to.Domain()]
}

// serves reports whether stanzas to an address are for this server.
func (s *Server) serves(to jid.JID) bool {
	return s.IsHost(to.Domain()) || s.place(s.generation.Load(), to).IsReady()
}

func (s *Server) toService(g *generation, t *xmpp.Transit, at xmpp.Place) {
	st := t.Stanza
	switch {
	case at.Request(st):
		space, local := st.PayloadName()
		d := at.Service.IQ(space, local)
		if d == nil {
			d = g.iqs[iqKey{space, local, xmpp.ToService}]
		}
		if handle := s.handler(d, st); handle != nil {
			handle(xmpp.NewServiceRequest(st, t.Session, at, s.log, s.reply))
		}
	case at.Service.Take != nil:
		at.Service.Take(t, at)
	case st.Kind != stanza.Presence:
		s.bounce(st, stanza.NewError(stanza.ServiceUnavailable, ""))
	}
}

// deliver is RFC 6121 section 8.5, as the real server reads it.
func (s *Server) deliver(g *generation, t *xmpp.Transit, a *Account) {
	st := t.Stanza
	one := a.find(st.To.Resource())
	switch {
	case st.Kind == stanza.IQ && st.To.IsBare():
		s.answer(g, t)
	case st.Kind == stanza.IQ && one == nil:
		s.bounce(st, stanza.NewError(stanza.ServiceUnavailable, ""))
	case st.Kind == stanza.Message:
		s.deliverMessage(g, t, a, one)
	case one != nil:
		one.deliver(st, nil)
	case st.To.IsBare():
		for _, ss := range a.Sessions() {
			if ss.Presence() != nil {
				ss.(*session).deliver(st, nil)
			}
		}
	}
}

func (s *Server) deliverMessage(g *generation, t *xmpp.Transit, a *Account, one *session) {
	st := t.Stanza
	chatty := st.Type == stanza.Chat || st.Type == stanza.Normal && st.To.IsBare()
	switch {
	case st.To.IsFull() && one != nil:
		t.Took = append(t.Took, one)
	case chatty, st.Type == stanza.Headline && st.To.IsBare():
		for _, ss := range a.Sessions() {
			if ss.Presence() != nil && ss.Priority() >= 0 {
				t.Took = append(t.Took, ss)
			}
		}
	}
	switch {
	case len(t.Took) > 0:
		s.fanOut(g, t)
	case chatty:
		s.keep(g, t)
	case st.Type == stanza.GroupChat, st.Type == stanza.Normal && !t.Kept():
		s.bounce(st, stanza.NewError(stanza.ServiceUnavailable, ""))
	}
}

func (s *Server) fanOut(g *generation, t *xmpp.Transit) {
	if refused, taken := g.hooks.Fanout.Run(t); refused == nil && !taken {
		for _, ss := range t.Took {
			ss.(*session).deliver(t.Stanza, nil)
		}
	}
}

func (s *Server) keep(g *generation, t *xmpp.Transit) {
	refused, taken := g.hooks.Undelivered.Run(t)
	if t.Kept() || taken {
		return
	}
	if refused == nil {
		refused = stanza.NewError(stanza.ServiceUnavailable, "")
	}
	s.bounce(t.Stanza, refused)
}

func (s *Server) bounce(st *stanza.Stanza, e *stanza.Error) {
	if reply := st.Fail(e); reply != nil {
		s.reply(reply)
	}
}

// reply routes a stanza that no session sent.
func (s *Server) reply(st *stanza.Stanza) {
	t := new(xmpp.Transit)
	t.Reset(st, nil, nil)
	s.route(s.generation.Load(), t)
	s.finish(t)
}

// priorityOf reads RFC 6121 section 4.7.2.3; what is no number is 0.
func priorityOf(st *stanza.Stanza) int8 {
	n := st.Node("jabber:client", "priority")
	if n == nil {
		return 0
	}
	v, _ := strconv.ParseInt(strings.TrimSpace(n.Text), 10, 8)
	return int8(v)
}

// seconds cuts a moment to what the real server keeps of it.
func seconds(t time.Time) time.Time { return t.Truncate(time.Second).UTC() }
