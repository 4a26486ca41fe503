package account

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"linnet/netsvc/log"
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/sasl"
	"linnet/store"
	"linnet/store/table"
)

// secretName is the row that holds the secret for the salts of names that do
// not exist.
const secretName = "salts"

// Accounts are the users of the device. Its methods may be called from anywhere
// once Open has returned.
type Accounts struct {
	tables  tables
	store   *store.Store
	log     *log.Logger
	hosts   []string
	secret  []byte
	cache   *cache
	derive  chan struct{} // one derivation at a time: it keeps a processor busy
	count   atomic.Int64  // of accounts
	options atomic.Pointer[Options]
	pending activities

	mu       sync.Mutex
	watchers []func(Change)
	leaving  []func(Account) func()
}

// Options of Accounts, of one generation.
type Options struct {
	Admins     []jid.JID // have the role Admin whatever is stored
	Iterations int       // of PBKDF2, for keys made from now on; 0 = sasl.DefaultIterations
	Cache      int       // addresses remembered; read once
	Flush      time.Duration
}

// DefaultCache and DefaultFlush are what zero Options mean.
const (
	DefaultCache = 4096
	DefaultFlush = 5 * time.Minute
)

// New returns Accounts that has its tables and knows nothing yet: for Setup.
func New() *Accounts {
	a := &Accounts{tables: newTables(), derive: make(chan struct{}, 1)}
	a.options.Store(&Options{})
	a.pending.accounts = a
	return a
}

// Tables are what must be declared to the store.
func (a *Accounts) Tables() []*table.Table { return a.tables.all() }

// Open takes the store in use. hosts are the served domains.
func (a *Accounts) Open(ctx context.Context, s *store.Store, log *log.Logger, hosts []string, o Options) error {
	a.store, a.log, a.hosts = s, log, slices.Clone(hosts)
	a.Use(o)
	n := o.Cache
	if n <= 0 {
		n = DefaultCache
	}
	a.cache = newCache(n)
	if err := a.readSecret(ctx); err != nil {
		return err
	}
	return s.View(func(tx *store.Tx) error {
		a.count.Store(int64(tx.Count(a.tables.names, nil, nil, 0)))
		return nil
	})
}

// Use puts the options of another generation into force.
func (a *Accounts) Use(o Options) {
	if o.Iterations <= 0 {
		o.Iterations = sasl.DefaultIterations
	}
	if o.Flush <= 0 {
		o.Flush = DefaultFlush
	}
	a.options.Store(&o)
}

// Close writes what is pending. The store is still open then.
func (a *Accounts) Close(ctx context.Context) error { return a.pending.flush(ctx) }

func (a *Accounts) readSecret(ctx context.Context) error {
	key := []byte(secretName)
	err := a.store.View(func(tx *store.Tx) error {
		a.secret, _ = tx.Get(a.tables.secrets, key)
		return nil
	})
	if err != nil || len(a.secret) > 0 {
		return err
	}
	a.secret = make([]byte, 32)
	if _, err := rand.Read(a.secret); err != nil {
		return err
	}
	var b store.Batch
	b.Put(a.tables.secrets, key, a.secret)
	return a.store.Apply(ctx, &b)
}

// Secret makes the salts of names that do not exist (sasl.Options.Secret).
func (a *Accounts) Secret() []byte { return a.secret }

// Iterations is the count of keys made now (sasl.Options.Iterations).
func (a *Accounts) Iterations() int { return a.options.Load().Iterations }

// Hosts are the served domains, the main one first. Not to be changed.
func (a *Accounts) Hosts() []string { return a.hosts }

// IsHost reports whether a domain is served here.
func (a *Accounts) IsHost(domain string) bool { return slices.Contains(a.hosts, domain) }

// Lookup finds an account by its bare address. It answers from memory, or with
// one short read of the store, whose failure is the error.
func (a *Accounts) Lookup(bare jid.JID) (Account, bool, error) {
	if k := a.cache.get(bare); k != nil {
		return k.account, k.exists, nil
	}
	if bare.Local() == "" || !bare.IsBare() || !a.IsHost(bare.Domain()) {
		return Account{}, false, nil
	}
	epoch := a.cache.epoch.Load()
	k := &known{jid: bare}
	err := a.store.View(func(tx *store.Tx) error {
		id, ok := a.idOf(tx, bare)
		if !ok {
			return nil
		}
		var err error
		k.account, k.exists, err = a.read(tx, id)
		return err
	})
	if err != nil {
		return Account{}, false, err
	}
	a.cache.found(epoch, k)
	return k.account, k.exists, nil
}

// Exists reports whether there is an account of that bare address.
func (a *Accounts) Exists(bare jid.JID) (bool, error) {
	_, ok, err := a.Lookup(bare)
	return ok, err
}

// ByID finds an account by its number, with a read of the store.
func (a *Accounts) ByID(id ID) (user Account, ok bool, err error) {
	err = a.store.View(func(tx *store.Tx) (err error) {
		user, ok, err = a.read(tx, id)
		return err
	})
	return user, ok, err
}

func (a *Accounts) idOf(tx *store.Tx, bare jid.JID) (ID, bool) {
	v, ok := tx.Get(a.tables.names, nameKey(bare))
	if !ok {
		return 0, false
	}
	id, _, err := table.ReadUint64(v)
	return ID(id), err == nil
}

func (a *Accounts) read(tx *store.Tx, id ID) (Account, bool, error) {
	v, ok := tx.Get(a.tables.accounts, id.Row())
	if !ok {
		return Account{}, false, nil
	}
	user, err := decodeAccount(id, v)
	return user, err == nil, err
}

// RoleOf is the role in force: the stored one, or Admin for those whom the
// configuration names, whether they have an account or not. It is User at least.
func (a *Accounts) RoleOf(bare jid.JID) (Role, error) {
	if slices.Contains(a.options.Load().Admins, bare) {
		return Admin, nil
	}
	user, _, err := a.Lookup(bare)
	return max(user.Role, User), err
}

// Count is the number of accounts of all domains.
func (a *Accounts) Count() int { return int(a.count.Load()) }

// CountOf is the number of accounts of one domain.
func (a *Accounts) CountOf(host string) (n int, err error) {
	err = a.store.View(func(tx *store.Tx) error {
		from := table.AppendString(nil, host)
		n = tx.Count(a.tables.names, from, table.PrefixEnd(from), 0)
		return nil
	})
	return n, err
}

// List returns up to limit accounts of a domain in the order of their names,
// those after the local part given; "" begins at the first.
func (a *Accounts) List(host, after string, limit int) (list []Account, err error) {
	prefix := table.AppendString(nil, host)
	from := prefix
	if after != "" {
		from = append(table.AppendString(prefix[:len(prefix):len(prefix)], after), 0)
	}
	err = a.store.View(func(tx *store.Tx) error {
		var ids []ID
		err := tx.Scan(a.tables.names, from, table.PrefixEnd(prefix), false, func(_, v []byte) bool {
			id, _, err := table.ReadUint64(v)
			if err == nil {
				ids = append(ids, ID(id))
			}
			return len(ids) < limit
		})
		if err != nil {
			return err
		}
		for _, id := range ids {
			user, ok, err := a.read(tx, id)
			if err != nil {
				return err
			}
			if ok {
				list = append(list, user)
			}
		}
		return nil
	})
	return list, err
}

// Watch has f called after each change, once it is committed. Calls for one
// account come in the order of its changes unless those were made at the same
// time. f runs on a goroutine of its own and the change's caller waits for it.
func (a *Accounts) Watch(f func(Change)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.watchers = append(a.watchers, f)
}

// Leaving has f called when an account is about to be deleted: the last moment at
// which its rows can be read. What f returns, nil for nothing, is called when the
// account is gone and all that Watch were told, or when it stays after all; it may
// not block. f runs on the goroutine of the Delete.
func (a *Accounts) Leaving(f func(Account) func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.leaving = append(a.leaving, f)
}

// leave calls those that Leaving has, and returns the call of all they returned.
func (a *Accounts) leave(user Account) func() {
	a.mu.Lock()
	list := slices.Clip(a.leaving)
	a.mu.Unlock()
	var ends []func()
	for _, f := range list {
		if end := f(user); end != nil {
			ends = append(ends, end)
		}
	}
	return func() {
		for _, end := range ends {
			end()
		}
	}
}

func (a *Accounts) tell(c Change) {
	a.mu.Lock()
	list := slices.Clip(a.watchers)
	a.mu.Unlock()
	for _, f := range list {
		f(c)
	}
}

// Directory answers what SASL asks.
func (a *Accounts) Directory() sasl.Directory { return directory{a} }

type directory struct{ accounts *Accounts }

// Keys implements sasl.Directory. A name that does not exist costs the same
// read as one that does.
func (d directory) Keys(user jid.JID, h sasl.Hash) (keys sasl.Keys, err error) {
	account, _, err := d.accounts.Lookup(user)
	if err != nil {
		return keys, err
	}
	err = d.accounts.store.View(func(tx *store.Tx) (err error) {
		v, ok := tx.Get(d.accounts.tables.keys, keysKey(account.ID, h))
		if !ok {
			return sasl.ErrUnknownUser
		}
		keys, err = decodeKeys(v)
		return err
	})
	return keys, err
}

// Admit implements sasl.Directory.
func (d directory) Admit(user jid.JID) error {
	account, ok, err := d.accounts.Lookup(user)
	switch {
	case err != nil:
		return err
	case !ok:
		return &sasl.Error{Condition: sasl.NotAuthorized, Cause: errors.New("deleted meanwhile")}
	case account.Disabled:
		return &sasl.Error{Condition: sasl.AccountDisabled}
	}
	return nil
}
