package credential

import (
	"context"
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"linnet/netsvc/account"
	"linnet/store"
	"linnet/store/table"
)

// User is a user whom the operator has made. The key is bound to the realm, so a user is of no use in another.
type User struct {
	Name  string
	Realm string
	Key   []byte
}

// Keeper owns the secrets and the operator's users. Safe for concurrent use once Open has returned.
type Keeper struct {
	secrets, users *table.Table
	store          *store.Store

	mu      sync.Mutex
	current *Secret
	others  map[uint32]*Secret // those before it whose time is not over
	named   map[string]*User
}

// NewKeeper makes a Keeper that has its tables and knows nothing yet.
func NewKeeper() *Keeper {
	return &Keeper{
		secrets: table.New("turn.secret", table.None), users: table.New("turn.user", table.None),
		others: make(map[uint32]*Secret), named: make(map[string]*User),
	}
}

// Tables are what must be declared to the store.
func (k *Keeper) Tables() []*table.Table { return []*table.Table{k.secrets, k.users} }

var errRow = errors.New("turn: malformed row")

// Open reads what the store has. The first secret is made when there is none.
func (k *Keeper) Open(ctx context.Context, s *store.Store) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.store = s
	k.current = nil
	clear(k.others)
	clear(k.named)
	var bad error
	err := s.View(func(tx *store.Tx) error {
		err := tx.Scan(k.secrets, nil, nil, false, func(key, v []byte) bool {
			id, _, err := table.ReadUint64(key)
			if err != nil || len(v) != 48 {
				bad = errRow
				return false
			}
			secret := &Secret{ID: uint32(id), Key: slices.Clone(v[16:]), Made: at(v), Until: at(v[8:])}
			if secret.Until.IsZero() {
				k.current = secret
			} else {
				k.others[secret.ID] = secret
			}
			return true
		})
		if err != nil {
			return err
		}
		return tx.Scan(k.users, nil, nil, false, func(key, v []byte) bool {
			name, _, err := table.ReadString(key)
			if err != nil || len(v) < 16 {
				bad = errRow
				return false
			}
			k.named[name] = &User{Name: name, Realm: string(v[16:]), Key: slices.Clone(v[:16])}
			return true
		})
	})
	if err = errors.Join(err, bad); err != nil {
		return err
	}
	if k.current == nil {
		return k.rotate(ctx, time.Now(), 0)
	}
	return nil
}

func at(b []byte) time.Time {
	n := int64(binary.BigEndian.Uint64(b))
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(n, 0)
}

func (k *Keeper) put(b *store.Batch, s *Secret) {
	seconds := func(t time.Time) uint64 {
		if t.IsZero() {
			return 0
		}
		return uint64(t.Unix())
	}
	value := binary.BigEndian.AppendUint64(nil, seconds(s.Made))
	value = binary.BigEndian.AppendUint64(value, seconds(s.Until))
	b.Put(k.secrets, table.AppendUint64(nil, uint64(s.ID)), append(value, s.Key...))
}

// Rotate replaces the secret. Credentials of the old one stay good for life.
func (k *Keeper) Rotate(ctx context.Context, life time.Duration) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.rotate(ctx, time.Now(), life)
}

// rotate holds the lock over the commit: it happens once in a while, and two at once must not take one number.
func (k *Keeper) rotate(ctx context.Context, now time.Time, life time.Duration) error {
	var b store.Batch
	fresh := NewSecret(0, now)
	others := maps.Clone(k.others)
	if old := k.current; old != nil {
		fresh.ID = old.ID + 1
		ends := *old
		ends.Until = now.Add(life)
		others[old.ID] = &ends
		k.put(&b, &ends)
	}
	for id, s := range others {
		if !now.Before(s.Until) {
			delete(others, id)
			b.Delete(k.secrets, table.AppendUint64(nil, uint64(id)))
		}
	}
	k.put(&b, fresh)
	if err := k.store.Apply(ctx, &b); err != nil {
		return err
	}
	k.current, k.others = fresh, others
	return nil
}

// Current is the secret that credentials are issued with.
func (k *Keeper) Current() *Secret {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.current
}

// Find finds the secret of a name, nil when it is gone.
func (k *Keeper) Find(id uint32) *Secret {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.current != nil && k.current.ID == id {
		return k.current
	}
	return k.others[id]
}

// Issue makes a credential with the current secret.
func (k *Keeper) Issue(id account.ID, now time.Time, life time.Duration) Credential {
	return k.Current().Issue(id, now, life)
}

// Named finds a user whom the operator has made, nil when there is none.
func (k *Keeper) Named(name string) *User {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.named[name]
}

// Users lists them by name.
func (k *Keeper) Users() (list []*User) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(k.named)) {
		list = append(list, k.named[name])
	}
	return list
}

// SetUser makes a user or gives him another password; with an empty key it removes him.
func (k *Keeper) SetUser(ctx context.Context, u User) error {
	var b store.Batch
	row := table.AppendString(nil, u.Name)
	if len(u.Key) == 0 {
		b.Delete(k.users, row)
	} else {
		b.Put(k.users, row, append(slices.Clone(u.Key), u.Realm...))
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.store.Apply(ctx, &b); err != nil {
		return err
	}
	if len(u.Key) == 0 {
		delete(k.named, u.Name)
	} else {
		k.named[u.Name] = &u
	}
	return nil
}
