package quota

import (
	"context"
	"errors"
	"time"

	"linnet/netsvc/account"
	"linnet/netsvc/wire/jid"
	"linnet/store"
	"linnet/store/table"
)

// Usage is what was used by somebody in a month.
type Usage struct {
	Scope  Scope // User, Domain, Box or All
	Who    string
	Month  Month
	Out    int64 // sent
	In     int64 // received; of a Box: 0, each byte counts once as Out
	Leased int64 // given to flows that are open
	Limit  Value // in force
}

// Subject is whom limits and balances are set for: a user, or a billing group.
type Subject struct {
	ID    account.ID // 0 for a group
	Name  string     // the user's bare address, or the group
	Group string     // the user's group; the same as Name for a group
}

// Month returns the month that counts now.
func (l *Ledger) Month() Month {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.month(time.Now())
}

// UseOf returns what the subject used in a month.
func (l *Ledger) UseOf(s Subject, month Month) (u Usage, err error) {
	k, scope, option := meterKey{Domain, 0, s.Name, month}, Domain, l.options.Load().Domain
	if s.ID != 0 {
		k, scope, option = meterKey{User, s.ID, "", month}, User, l.options.Load().User
	}
	u, err = l.usage(k, s.Name)
	if err != nil {
		return u, err
	}
	err = l.store.View(func(tx *store.Tx) (err error) {
		u.Limit, err = l.limitOf(tx, s.ID, s.Group, scope, option)
		return err
	})
	return u, err
}

// BoxUse returns what this box relayed in a month, and all boxes.
func (l *Ledger) BoxUse(month Month) (box, all Usage, err error) {
	box, err = l.usage(meterKey{Box, 0, l.box, month}, l.box)
	box.Limit = l.options.Load().Box
	all = box
	all.Scope, all.Who, all.Limit = All, "", l.options.Load().All
	l.mu.Lock()
	all.Out += l.others[month]
	l.mu.Unlock()
	return box, all, err
}

// usage reads one meter: in memory where it is in use, else in the store.
func (l *Ledger) usage(k meterKey, who string) (u Usage, err error) {
	u = Usage{Scope: k.scope, Who: who, Month: k.month}
	err = l.store.View(func(tx *store.Tx) (err error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if m := l.meters[k]; m != nil {
			u.Out, u.In, u.Leased = m.out, m.in, m.leased
			return nil
		}
		t, key := l.tables.used(k)
		if v, ok := tx.Get(t, key); ok {
			u.Out, u.In, err = decodeUsed(v)
		}
		return err
	})
	return u, err
}

// Limits returns what is set for the subject itself, by scope: File, User, Domain, Rate.
func (l *Ledger) Limits(s Subject) (set map[Scope]Value, err error) {
	set = make(map[Scope]Value)
	err = l.store.View(func(tx *store.Tx) error {
		for _, scope := range []Scope{File, User, Domain, Rate} {
			v, err := l.ownLimit(tx, s.ID, s.Name, scope)
			if err != nil {
				return err
			}
			if v != inherit {
				set[scope] = v
			}
		}
		return nil
	})
	return set, err
}

// RateOf returns how many bytes a second are set for a user, or for the users of his
// domain; ok is false when nothing is, or he is not local. 0 means as many as he can.
func (l *Ledger) RateOf(bare jid.JID) (bytes int64, ok bool, err error) {
	p, err := l.local(bare)
	if err != nil || p.id == 0 {
		return 0, false, err
	}
	v := inherit
	err = l.store.View(func(tx *store.Tx) (err error) {
		v, err = l.limitOf(tx, p.id, p.group, Rate, inherit)
		return err
	})
	switch {
	case err != nil || v == inherit:
		return 0, false, err
	case v == Unlimited:
		return 0, true, nil
	}
	return int64(v), true, nil
}

// SetLimit sets a limit of the subject, for open flows as well: at their next lease.
func (l *Ledger) SetLimit(ctx context.Context, s Subject, scope Scope, v Value) error {
	t, key := l.tables.limit(s.ID, s.Name, scope)
	var b store.Batch
	b.Put(t, key, table.AppendInt64(nil, int64(v)))
	return l.store.Apply(ctx, &b)
}

// Inherit removes a limit of the subject: the next one up counts.
func (l *Ledger) Inherit(ctx context.Context, s Subject, scope Scope) error {
	t, key := l.tables.limit(s.ID, s.Name, scope)
	var b store.Batch
	b.Delete(t, key)
	return l.store.Apply(ctx, &b)
}

// Balance is a credit.
type Balance struct {
	Left   int64 // bytes, without those that open flows were given
	Leased int64
}

// ErrNoCredit is TopUp's.
var ErrNoCredit = errors.New("quota: the balance would be negative")

// Credit returns a balance; ok is false when the subject has none.
func (l *Ledger) Credit(s Subject) (b Balance, ok bool, err error) {
	err = l.store.View(func(tx *store.Tx) error {
		t, key := l.tables.credit(s.ID, s.Name)
		l.mu.Lock()
		defer l.mu.Unlock()
		if ok = tx.Has(t, key); !ok {
			return nil
		}
		if m := l.meters[creditKey(s)]; m != nil {
			b = Balance{Left: m.in - m.leased, Leased: m.leased}
			return nil
		}
		v, _ := tx.Get(t, key)
		b.Left, _, err = table.ReadInt64(v)
		return err
	})
	return b, ok, err
}

func creditKey(s Subject) meterKey {
	if s.ID != 0 {
		return meterKey{scope: Credit, id: s.ID}
	}
	return meterKey{scope: Credit, name: s.Name}
}

// TopUp adds bytes to a balance, which is made where there is none; a negative number
// takes back what is left. It returns what is left then. ErrNoCredit reports that
// this would be less than nothing.
func (l *Ledger) TopUp(ctx context.Context, s Subject, bytes int64) (left int64, err error) {
	done := make(chan error, 1)
	err = l.balance(s, func(m *meter) error {
		if m.in-m.leased+bytes < 0 || m.in+bytes < m.in && bytes > 0 {
			return ErrNoCredit
		}
		// It can be spent from now on: what is spent is written after this.
		m.in += bytes
		m.refs++
		left = m.in - m.leased
		t, key := l.tables.credit(s.ID, s.Name)
		var b store.Batch
		b.Put(t, key, table.AppendInt64(nil, m.in))
		l.store.Submit(&b, func(err error) {
			l.mu.Lock()
			if m.refs--; err != nil {
				m.in -= bytes
			}
			l.mu.Unlock()
			done <- err
		})
		return nil
	})
	if err != nil {
		return 0, err
	}
	select {
	case err = <-done:
	case <-ctx.Done():
		err = ctx.Err()
	}
	return left, err
}

// balance calls f with a balance in memory, under mu.
func (l *Ledger) balance(s Subject, f func(*meter) error) error {
	l.opening.Lock()
	defer l.opening.Unlock()
	return l.store.View(func(tx *store.Tx) error {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.forget()
		m, err := l.meter(tx, creditKey(s), s.Name)
		if err != nil {
			return err
		}
		return f(m)
	})
}

// Entries returns up to limit entries of a month (0: of all months) in the order in
// which they ended, those after the entry with the Order given.
func (l *Ledger) Entries(month Month, after uint64, limit int) (list []Entry, err error) {
	err = l.store.View(func(tx *store.Tx) error {
		var bad error
		err := tx.Scan(l.tables.flows, table.AppendUint64(nil, after+1), nil, false, func(k, v []byte) bool {
			var e Entry
			if e, bad = decodeEntry(k, v); bad != nil {
				return false
			}
			if month == 0 || e.Month == month {
				list = append(list, e)
			}
			return len(list) < limit
		})
		return errors.Join(err, bad)
	})
	return list, err
}
