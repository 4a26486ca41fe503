package socks5

import (
	"sync"
	"time"

	"linnet/netsvc/flow"
	"linnet/netsvc/wire/jid"
)

// shaper is a rate that several transfers share. A nil shaper has none.
type shaper struct {
	mu     sync.Mutex
	bucket flow.Bucket
	users  int  // transfers; shapers.mu guards it
	own    bool // the rate is set for the user; the same
}

// take takes bytes that were moved and returns how long to pause.
func (s *shaper) take(n int64) time.Duration {
	if s == nil {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bucket.Take(int(min(n, 1<<30)))
}

func (s *shaper) set(rate int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bucket.Set(float64(rate), float64(rate)/4)
}

// shapers are the rates of users who have transfers, and that of all together.
type shapers struct {
	mu    sync.Mutex
	rate  int64 // bytes a second of each user; 0: no limit
	users map[jid.JID]*shaper
	all   shaper
}

// set changes the rates, of transfers under way as well.
func (s *shapers) set(each, all int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rate = each
	for _, u := range s.users {
		if !u.own {
			u.set(each)
		}
	}
	s.all.set(all)
}

// enter returns the shaper of a user, until leave. rate is what is set for him, own
// whether it is.
func (s *shapers) enter(user jid.JID, rate int64, own bool) *shaper {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.users[user]
	if u == nil {
		if s.users == nil {
			s.users = make(map[jid.JID]*shaper)
		}
		u = new(shaper)
		s.users[user] = u
	}
	if !own {
		rate = s.rate
	}
	if u.users == 0 || own || u.own {
		u.set(rate)
	}
	u.own = own
	u.users++
	return u
}

func (s *shapers) leave(user jid.JID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u := s.users[user]; u != nil {
		if u.users--; u.users == 0 {
			delete(s.users, user)
		}
	}
}
