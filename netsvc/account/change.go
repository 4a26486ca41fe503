package account

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"strings"
	"time"

	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/sasl"
	"linnet/store"
	"linnet/store/table"
)

// NewAccount describes an account to be made.
type NewAccount struct {
	JID      jid.JID // bare
	Password string  // "" makes an account that cannot log in by password
	Role     Role    // at least User
	// Invitation, unless "", is a token that is redeemed in the same commit.
	Invitation string
}

// hashes are those that keys are kept for.
var hashes = [...]sasl.Hash{sasl.SHA1, sasl.SHA256, sasl.SHA512}

// Create makes an account and waits for the commit. The error is ErrExists,
// ErrName, ErrHost, ErrPassword, ErrInvitation, or the store's.
func (a *Accounts) Create(ctx context.Context, n NewAccount) (Account, error) {
	if n.JID.Local() == "" || !n.JID.IsBare() {
		return Account{}, ErrName
	}
	if !a.IsHost(n.JID.Domain()) {
		return Account{}, ErrHost
	}
	if ok, err := a.Exists(n.JID); err != nil || ok { // before the expensive part
		return Account{}, errors.Join(err, choose(ok, ErrExists))
	}
	var b store.Batch
	var invitation *Invitation
	if n.Invitation != "" {
		var err error
		if invitation, err = a.redeem(&b, n.JID, n.Invitation); err != nil {
			return Account{}, err
		}
	}
	user := Account{ID: ID(a.store.Next("account")), JID: n.JID, Created: time.Now().UTC().Truncate(time.Second), Role: max(n.Role, User)}
	if n.Password != "" {
		if err := a.putKeys(ctx, &b, user.ID, n.Password); err != nil {
			return Account{}, err
		}
	}
	b.Absent(a.tables.names, nameKey(user.JID))
	b.Put(a.tables.names, nameKey(user.JID), user.ID.Row())
	b.Put(a.tables.accounts, user.ID.Row(), encodeAccount(&user))
	err := a.commit(ctx, &b, Change{Created, user})
	var failed *store.PreconditionError
	if errors.As(err, &failed) {
		if invitation != nil && failed.Table == a.tables.invitations.Name {
			return Account{}, ErrInvitation
		}
		return Account{}, ErrExists
	}
	if err != nil {
		return Account{}, err
	}
	return user, nil
}

func choose(is bool, err error) error {
	if is {
		return err
	}
	return nil
}

// putKeys derives the keys of a password and adds them to the batch. All hashes
// are derived at once: a client that learns a stronger one later must not need
// the password typed again, and one that knows the weakest only must get in.
func (a *Accounts) putKeys(ctx context.Context, b *store.Batch, id ID, password string) error {
	select {
	case a.derive <- struct{}{}:
		defer func() { <-a.derive }()
	case <-ctx.Done():
		return ctx.Err()
	}
	for _, h := range hashes {
		k, err := sasl.Derive(h, password, sasl.NewSalt(), a.Iterations())
		if errors.Is(err, sasl.ErrPassword) {
			return ErrPassword
		}
		if err != nil {
			return err
		}
		b.Put(a.tables.keys, keysKey(id, h), encodeKeys(&k))
	}
	return nil
}

// SetPassword replaces an account's keys.
func (a *Accounts) SetPassword(ctx context.Context, bare jid.JID, password string) error {
	user, ok, err := a.Lookup(bare)
	if err != nil || !ok {
		return errors.Join(err, choose(!ok, ErrNone))
	}
	var b store.Batch
	b.Present(a.tables.accounts, user.ID.Row()) // not deleted while the keys were derived
	if err := a.putKeys(ctx, &b, user.ID, password); err != nil {
		return err
	}
	return absent(a.commit(ctx, &b, Change{PasswordChanged, user}))
}

// absent says what a failed precondition on an account's row means.
func absent(err error) error {
	if errors.Is(err, store.ErrPrecondition) {
		return ErrNone
	}
	return err
}

// Disable keeps an account from logging in. reason is for administrators.
func (a *Accounts) Disable(ctx context.Context, bare jid.JID, reason string) error {
	return a.update(ctx, bare, Disabled, func(u *Account) {
		u.Disabled, u.Reason, u.DisabledSince = true, reason, time.Now().UTC().Truncate(time.Second)
	})
}

// Enable undoes Disable.
func (a *Accounts) Enable(ctx context.Context, bare jid.JID) error {
	return a.update(ctx, bare, Enabled, func(u *Account) {
		u.Disabled, u.Reason, u.DisabledSince = false, "", time.Time{}
	})
}

// SetRole changes the stored role.
func (a *Accounts) SetRole(ctx context.Context, bare jid.JID, r Role) error {
	return a.update(ctx, bare, RoleChanged, func(u *Account) { u.Role = r })
}

// update changes an account's row by what it was, and again if another change
// came in between.
func (a *Accounts) update(ctx context.Context, bare jid.JID, kind ChangeKind, f func(*Account)) error {
	for range 10 {
		var user Account
		var found bool
		var version uint64
		err := a.store.View(func(tx *store.Tx) (err error) {
			id, ok := a.idOf(tx, bare)
			if !ok {
				return nil
			}
			var v []byte
			if v, version, found = tx.GetVersion(a.tables.accounts, id.Row()); found {
				user, err = decodeAccount(id, v)
			}
			return err
		})
		if err != nil || !found {
			return errors.Join(err, choose(!found, ErrNone))
		}
		f(&user)
		var b store.Batch
		b.Equals(a.tables.accounts, user.ID.Row(), version)
		b.Put(a.tables.accounts, user.ID.Row(), encodeAccount(&user))
		err = a.commit(ctx, &b, Change{kind, user})
		if !errors.Is(err, store.ErrPrecondition) {
			return err
		}
	}
	return errBusy
}

// Delete removes an account and everything that any table keeps for it. When it
// returns nil, watchers have been told, so that its sessions are ended.
func (a *Accounts) Delete(ctx context.Context, bare jid.JID) error {
	user, ok, err := a.Lookup(bare)
	if err != nil || !ok {
		return errors.Join(err, choose(!ok, ErrNone))
	}
	var b store.Batch
	b.Present(a.tables.accounts, user.ID.Row())
	b.Delete(a.tables.names, nameKey(bare))
	a.sweep(&b, user.ID, false)
	end := a.leave(user)
	a.pending.forget(user.ID)
	if err := absent(a.commitAnd(ctx, &b, Change{Deleted, user}, end)); err != nil {
		return err
	}
	// What its sessions wrote between the commit and their end.
	a.sweep(&b, user.ID, false)
	err = a.store.Apply(ctx, &b)
	a.sweep(&b, user.ID, true)
	return errors.Join(err, a.store.Apply(ctx, &b))
}

// sweep adds the removal of all rows under the number to the batch, for the
// tables of one file.
func (a *Accounts) sweep(b *store.Batch, id ID, cache bool) {
	from := id.Row()
	for _, t := range a.store.Options().Tables {
		if t.Owner == table.Account && t.Cache == cache {
			b.DeleteRange(t, from, table.PrefixEnd(from))
		}
	}
}

// commit submits a batch that changes one account and waits. What it changed is
// in the cache before anybody is told. When ctx ends first the change may still
// happen, and watchers are told if it does.
func (a *Accounts) commit(ctx context.Context, b *store.Batch, c Change) error {
	return a.commitAnd(ctx, b, c, func() {})
}

// commitAnd is commit and calls end at its end, before it returns or after ctx.
func (a *Accounts) commitAnd(ctx context.Context, b *store.Batch, c Change, end func()) error {
	done := make(chan error, 1)
	a.store.Submit(b, func(err error) { // on the store's writer
		if err != nil {
			end()
			done <- err
			return
		}
		a.cache.changed(&known{jid: c.Account.JID, account: c.Account, exists: c.Kind != Deleted})
		switch c.Kind {
		case Created:
			a.count.Add(1)
		case Deleted:
			a.count.Add(-1)
		}
		go func() {
			a.tell(c)
			end()
			done <- nil
		}()
	})
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Password makes a password for people to type: five groups of four letters and
// digits without those that look alike, 100 bits.
func Password() string {
	var raw [13]byte
	rand.Read(raw[:]) // never fails
	letters := base32.NewEncoding("abcdefghjkmnpqrstuvwxyz023456789").WithPadding(base32.NoPadding).EncodeToString(raw[:])
	groups := make([]string, 5)
	for i := range groups {
		groups[i] = letters[4*i : 4*i+4]
	}
	return strings.Join(groups, "-")
}
