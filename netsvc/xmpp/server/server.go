package server

import (
	"errors"
	"sync/atomic"
	"time"

	users "linnet/netsvc/account"
	"linnet/netsvc/log"
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/xmlstream"
	"linnet/netsvc/xmpp"
	"linnet/netsvc/xmpp/stream"
	"linnet/store"
	"linnet/store/table"
)

// Server is the live part of the XMPP server: it outlives generations. Its
// methods are safe for concurrent use.
type Server struct {
	log         *log.Logger
	store       *store.Store
	accounts    *users.Accounts
	hosts       []string   // served domains; fixed while the server runs
	traffic     []*traffic // of each of them
	shards      [shards]shard
	resumable   resumables
	overdue     rounds[*ledger]  // messages somebody is owed for too long are spooled
	unasked     rounds[*Session] // clients are asked to acknowledge what they got
	unaskedIdle rounds[*Session]
	sessions    atomic.Int64 // not ended
	tables      tables
	names       names // of flags and slots
	generation  atomic.Pointer[generation]
}

func newServer() *Server {
	return &Server{tables: newTables(), names: names{flags: map[string]xmpp.Flag{}, slots: map[string]int{}}}
}

// tables are the server's own rows.
type tables struct {
	handled *table.Table // resumption id → account, number of stanzas taken
	parked  *table.Table // resumption id → a session put away at shutdown
}

func newTables() tables {
	return tables{
		handled: table.New("stream.handled", table.None, table.Expires()),
		parked:  table.New("stream.parked", table.None, table.Expires()),
	}
}

// generation is the immutable part: what one reading of the configuration and
// one Setup of every extension made.
type generation struct {
	*Server
	hooks    xmpp.Hooks
	iqs      map[iqKey]*xmpp.IQ
	nonzas   map[string]func(xmpp.Session, *xmlstream.Node)
	features []func(host string) []byte
	guests   []xmpp.GuestIQ
	disco    xmpp.Discoveries
	contacts xmpp.Contacts
	spool    xmpp.Spool
	places   map[string]xmpp.Place // of services, by domain
	finders  []finder
	limits   limits
	stats    *stats
}

// finder looks for who serves an address that is not ours: a component, the
// cluster, another server. nil means somebody else.
type finder func(to jid.JID) func(*xmpp.Transit, receipt)

// limits are the server's options.
type limits struct {
	outbox         int64 // bytes one client's outbox may hold
	unacknowledged int64 // bytes of stanzas a client may leave unacknowledged
	resumption     time.Duration
	settleAfter    time.Duration
	location       string
	sessions       int // per account
}

func (s *Server) current() *generation { return s.generation.Load() }

// Hosts implements xmpp.Server.
func (s *Server) Hosts() []string { return s.hosts }

// IsHost implements xmpp.Server.
func (s *Server) IsHost(domain string) bool {
	for _, h := range s.hosts {
		if h == domain {
			return true
		}
	}
	return false
}

// Serves reports whether stanzas to a domain are for this server: a served domain, or
// the address of a service. An edge for other servers asks.
func (s *Server) Serves(domain string) bool {
	return s.IsHost(domain) || s.current().places[domain].IsReady()
}

// Accounts implements xmpp.Server.
func (s *Server) Accounts() *users.Accounts { return s.accounts }

// Online implements xmpp.Server.
func (s *Server) Online(f func(xmpp.Account) bool) {
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		list := make([]*account, 0, len(sh.all))
		for _, a := range sh.all {
			if len(a.Sessions()) > 0 {
				list = append(list, a)
			}
		}
		sh.mu.Unlock()
		for _, a := range list {
			if !f(a) {
				return
			}
		}
	}
}

// OutboxLimit is how many bytes an edge lets wait for one client, whose stanzas have
// at most the size given: two of them always, or a large one would end the session
// that it is for.
func (s *Server) OutboxLimit(stanza int) int { return max(int(s.current().limits.outbox), 2*stanza) }

// ResumeLimit is the same while a session is resumed: all that the client has not
// acknowledged is on its way then.
func (s *Server) ResumeLimit(stanza int) int {
	return s.OutboxLimit(stanza) + int(s.current().limits.unacknowledged)
}

// Guests are what extensions answer to clients that have not logged in, in the
// current generation.
func (s *Server) Guests() []xmpp.GuestIQ { return s.current().guests }

// StreamFeatures are what extensions offer an authenticated client of the host.
func (s *Server) StreamFeatures(host string) (list [][]byte) {
	for _, make := range s.current().features {
		if element := make(host); element != nil {
			list = append(list, element)
		}
	}
	return list
}

// Why a resource cannot be bound.
var (
	ErrGone    = errors.New("server: the account no longer exists")
	ErrTooMany = errors.New("server: the account has too many sessions")
)

// Link is one connection of a client, as its edge hands it over.
type Link struct {
	Out    Outlet
	Addr   string // for administrators
	Secure bool
}

// Bind makes a session for the resource (RFC 6120 section 7). It has no connection
// yet: what comes for it waits until Attach. A session that has the resource
// already ends with the error conflict: the new one is more likely to be alive.
func (s *Server) Bind(user users.Account, resource string) (*Session, error) {
	full, err := user.JID.WithResource(resource)
	if err != nil {
		return nil, err
	}
	a, err := s.find(user.JID)
	if err != nil {
		return nil, err
	}
	if a == nil {
		return nil, ErrGone
	}
	ss := &Session{server: s, account: a, jid: full, since: time.Now().Unix()}
	ss.active.Store(ss.since)
	if err := ss.enlist(user.ID); err != nil {
		if err == ErrTooMany {
			s.current().stats.crowded.Inc()
		}
		a.Release()
		return nil, err
	}
	s.sessions.Add(1)
	s.accounts.LoggedIn(user.ID)
	s.current().hooks.Bound.Tell(ss)
	return ss, nil
}

// enlist puts the session into its account's list, in the place of an older one.
func (ss *Session) enlist(user users.ID) (err error) {
	a := ss.account
	for {
		var old *Session
		a.Decide(func() {
			switch o := a.find(ss.jid.Resource()); {
			case a.id != user:
				err = ErrGone
			case o != nil && !o.ended.Load():
				old = o
			case a.crowded(ss.server.current().limits.sessions):
				err = ErrTooMany
			default:
				a.add(ss)
			}
		})
		if old == nil {
			return err
		}
		old.finish(stream.Fail(stream.Conflict, "the resource was bound anew"), queued{})
	}
}

// Attach gives a bound session its connection. The epoch returned goes with
// everything the connection brings: a stale one changes nothing.
func (ss *Session) Attach(l Link) (epoch uint32) {
	ss.mu.Lock()
	if ss.end != alive {
		ss.mu.Unlock()
		l.Out.Close(closeGrace, stream.Farewell(stream.Fail(stream.Conflict, "")), nil)
		return 0
	}
	ss.epoch++
	epoch = ss.epoch
	ss.out, ss.addr, ss.secure = l.Out, l.Addr, l.Secure
	ss.mu.Unlock()
	ss.Flush()
	return epoch
}

// Detach says that the connection is gone without a proper end. A session that
// can be resumed waits for its client; any other ends.
func (ss *Session) Detach(epoch uint32) {
	ss.mu.Lock()
	if ss.epoch != epoch || ss.end != alive {
		ss.mu.Unlock()
		return
	}
	out := ss.out
	m := ss.managed
	if m == nil || m.id == "" {
		ss.mu.Unlock()
		ss.finish(nil, queued{}) // which waits for what is under way
		if out != nil {
			out.Kill()
		}
		return
	}
	ss.out = nil
	ss.addr = ""
	m.timer = time.AfterFunc(m.window, func() { ss.expire(epoch) })
	ss.mu.Unlock()
	if out != nil {
		out.Close(0, nil, nil)
	}
}

// Disconnect implements xmpp.Session.
func (ss *Session) Disconnect() {
	ss.mu.Lock()
	epoch := ss.epoch
	ss.mu.Unlock()
	ss.Detach(epoch)
}

// Closed says that the client ended its stream properly: nothing to resume.
func (ss *Session) Closed(epoch uint32) {
	ss.mu.Lock()
	stale := ss.epoch != epoch
	ss.mu.Unlock()
	if !stale {
		ss.finish(nil, queued{})
	}
}
