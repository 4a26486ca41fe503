package account

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"strings"
	"time"

	"linnet/netsvc/wire/jid"
	"linnet/store"
	"linnet/store/table"
)

// Invitation lets somebody make an account where registration is not open.
type Invitation struct {
	Host    string    // domain of the account to be
	Local   string    // its name; "" = the guest chooses
	By      jid.JID   // who invites; may be zero
	Note    string    // for the list
	Created time.Time // set by Invite
	Expires time.Time // zero: never
	Uses    int       // accounts that may still be made; 0 means 1 to Invite
	Key     string    // names it in lists and to Revoke, without giving the token away
}

// Invite makes an invitation and returns its token, which nobody can read
// afterwards: only its hash is kept.
func (a *Accounts) Invite(ctx context.Context, i Invitation) (token string, err error) {
	if !a.IsHost(i.Host) {
		return "", ErrHost
	}
	if i.Local != "" {
		j, err := jid.New(i.Local, i.Host, "")
		if err != nil {
			return "", ErrName
		}
		i.Local = j.Local()
	}
	i.Uses = max(i.Uses, 1)
	i.Created = time.Now()
	var raw [15]byte
	rand.Read(raw[:]) // never fails
	token = strings.ToLower(base32.StdEncoding.EncodeToString(raw[:]))
	var b store.Batch
	a.putInvitation(&b, invitationKey(i.Host, token), &i)
	return token, a.store.Apply(ctx, &b)
}

// invitationKey finds a token's row. Tokens have 120 random bits: a plain hash
// cannot be guessed back.
func invitationKey(host, token string) []byte {
	sum := sha256.Sum256([]byte(strings.ToLower(token)))
	return append(table.AppendString(nil, host), sum[:16]...)
}

func (a *Accounts) putInvitation(b *store.Batch, key []byte, i *Invitation) {
	w := table.NewWriter(rowVersion)
	w.Text(i.Local)
	w.Text(i.By.String())
	w.Text(i.Note)
	w.Time(i.Created)
	w.Time(i.Expires)
	w.Number(uint64(i.Uses))
	b.PutUntil(a.tables.invitations, key, w, i.Expires)
}

func readInvitation(key, v []byte) (*Invitation, error) {
	host, hash, err := table.ReadString(key)
	if err != nil {
		return nil, err
	}
	r := table.NewReader(rowVersion, v)
	i := &Invitation{Host: host, Local: r.Text(), Key: base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(hash)}
	if by := r.Text(); by != "" {
		i.By, _ = jid.Parse(by)
	}
	i.Note, i.Created, i.Expires, i.Uses = r.Text(), r.Time(), r.Time(), int(r.Number())
	return i, r.Err()
}

// Invited returns what a token stands for at a domain, or ErrInvitation.
func (a *Accounts) Invited(host, token string) (*Invitation, error) {
	i, _, err := a.invited(host, token)
	return i, err
}

func (a *Accounts) invited(host, token string) (i *Invitation, version uint64, err error) {
	key := invitationKey(host, token)
	err = a.store.View(func(tx *store.Tx) error {
		v, n, ok := tx.GetVersion(a.tables.invitations, key)
		if !ok {
			return ErrInvitation
		}
		version = n
		i, err = readInvitation(key, v)
		return err
	})
	if err == nil && a.over(i.Expires) {
		err = ErrInvitation
	}
	if err != nil {
		return nil, 0, err
	}
	return i, version, nil
}

// over reports whether a moment has passed; nothing passes while the clock is
// unset.
func (a *Accounts) over(t time.Time) bool {
	now := time.Now()
	return !t.IsZero() && now.After(t) && !now.Before(a.store.Options().Built)
}

// redeem adds the use of a token to the batch that makes the account.
func (a *Accounts) redeem(b *store.Batch, bare jid.JID, token string) (*Invitation, error) {
	i, version, err := a.invited(bare.Domain(), token)
	if err != nil {
		return nil, err
	}
	if i.Local != "" && i.Local != bare.Local() {
		return nil, ErrInvitation
	}
	key := invitationKey(i.Host, token)
	b.Equals(a.tables.invitations, key, version) // two guests, one place
	if i.Uses--; i.Uses == 0 {
		b.Delete(a.tables.invitations, key)
	} else {
		a.putInvitation(b, key, i)
	}
	return i, nil
}

// Invitations lists up to limit invitations of a domain that are still good.
func (a *Accounts) Invitations(host string, limit int) (list []Invitation, err error) {
	prefix := table.AppendString(nil, host)
	err = a.store.View(func(tx *store.Tx) error {
		var bad error
		return errors.Join(tx.Scan(a.tables.invitations, prefix, table.PrefixEnd(prefix), false, func(k, v []byte) bool {
			i, err := readInvitation(k, v)
			if err != nil {
				bad = err
				return false
			}
			if !a.over(i.Expires) {
				list = append(list, *i)
			}
			return len(list) < limit
		}), bad)
	})
	return list, err
}

// Revoke withdraws an invitation by its Key.
func (a *Accounts) Revoke(ctx context.Context, host, key string) error {
	hash, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ToUpper(key))
	if err != nil {
		return ErrInvitation
	}
	row := append(table.AppendString(nil, host), hash...)
	var b store.Batch
	b.Present(a.tables.invitations, row)
	b.Delete(a.tables.invitations, row)
	err = a.store.Apply(ctx, &b)
	if errors.Is(err, store.ErrPrecondition) {
		return ErrInvitation
	}
	return err
}
