package account

import (
	"context"
	"sync"
	"time"

	"linnet/store"
	"linnet/store/table"
)

// pendingBound is how many accounts may wait for their activity to be written;
// one more and all are written.
const pendingBound = 1024

// Activity is when an account was used last.
type Activity struct {
	Login, Logout time.Time // zero: never, or not known
	Status        string    // of the last unavailable presence (XEP-0012)
}

// activities gathers logins and logouts: they are written together every few
// minutes, not with a commit for each. A crash forgets the last of them.
type activities struct {
	accounts *Accounts

	mu    sync.Mutex
	list  map[ID]Activity // complete rows to be
	timer *time.Timer     // runs while the list is not empty
}

// LoggedIn notes that a session began.
func (a *Accounts) LoggedIn(id ID) {
	a.pending.note(id, func(x *Activity) { x.Login = time.Now() })
}

// LoggedOut notes that the last session ended, and the status it left.
func (a *Accounts) LoggedOut(id ID, status string) {
	a.pending.note(id, func(x *Activity) { x.Logout, x.Status = time.Now(), status })
}

// Activity returns when an account was used last.
func (a *Accounts) Activity(id ID) (Activity, error) {
	a.pending.mu.Lock()
	x, ok := a.pending.list[id]
	a.pending.mu.Unlock()
	if ok {
		return x, nil
	}
	return a.readActivity(id)
}

func (a *Accounts) readActivity(id ID) (x Activity, err error) {
	err = a.store.View(func(tx *store.Tx) error {
		v, ok := tx.Get(a.tables.activity, id.Row())
		if !ok {
			return nil
		}
		r := table.NewReader(rowVersion, v)
		x = Activity{Login: r.Time(), Logout: r.Time(), Status: r.Text()}
		return r.Err()
	})
	return x, err
}

// note changes an account's row in memory. A row that cannot be read begins anew.
func (p *activities) note(id ID, f func(*Activity)) {
	p.mu.Lock()
	x, ok := p.list[id]
	p.mu.Unlock()
	if !ok {
		x, _ = p.accounts.readActivity(id)
	}
	p.mu.Lock()
	if newer, ok := p.list[id]; ok {
		x = newer
	}
	f(&x)
	if p.list == nil {
		p.list = make(map[ID]Activity)
		p.timer = time.AfterFunc(p.accounts.options.Load().Flush, p.submit)
	}
	p.list[id] = x
	full := len(p.list) >= pendingBound
	p.mu.Unlock()
	if full {
		p.submit()
	}
}

// forget drops what waits for an account that is being deleted.
func (p *activities) forget(id ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.list, id)
}

// submit hands everything to the store, which makes one commit of it.
func (p *activities) submit() {
	p.mu.Lock()
	list := p.list
	p.list = nil
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
	p.mu.Unlock()
	a := p.accounts
	for id, x := range list {
		w := table.NewWriter(rowVersion)
		w.Time(x.Login)
		w.Time(x.Logout)
		w.Text(x.Status)
		var b store.Batch // of its own: one account may be gone
		b.Present(a.tables.accounts, id.Row())
		b.Put(a.tables.activity, id.Row(), w)
		a.store.Submit(&b, nil)
	}
}

func (p *activities) flush(ctx context.Context) error {
	p.submit()
	done := make(chan struct{})
	p.accounts.store.Barrier(func() { close(done) })
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
