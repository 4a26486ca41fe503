// Package table declares what a service keeps: the name of a table, who owns its rows, how long they live and which
// indexes the store derives from them. A declaration is plain data made once by the package that uses the table; it owns
// no file and does no I/O. The package also has the append-encoders for ordered keys (key.go), so that the byte order of
// a key is the order of the values in it.
//
// What follows from a declaration (removal of an account's rows, quota, backup, export by XEP-0227) is done by others
// that walk the declarations; the store itself acts on Cache, Expires, Versioned, Append, Layout and the indexes.
package table

// Owner says whose rows a table holds. The first component of every key is the owner's number or name, in the encoding
// of key.go, so that all rows of one owner are one range.
type Owner uint8

// The kinds of owner.
const (
	None    Owner = iota // rows of the appliance itself
	Account              // AppendUint64 of the account's number, which is never used again
	Host                 // AppendString of the domain
	Room                 // AppendString of the room's bare JID
	Node                 // AppendString of the pubsub service, then of the node
)

var owners = [...]string{"none", "account", "host", "room", "node"}

// String returns the owner kind's name in lower case.
func (o Owner) String() string {
	if int(o) < len(owners) {
		return owners[o]
	}
	return "owner?"
}

// Table is one declared table. It does not change after New; tables are compared by name.
type Table struct {
	Name      string   // "roster"; unique in a store, at most 64 bytes of [a-z0-9.-]
	Owner     Owner    // whose rows these are
	Export    string   // the XEP-0227 element the rows become, or ""
	Cache     bool     // lives in cache.db: not synced, not backed up, gone when damaged
	Expires   bool     // rows may carry an expiry (Batch.PutUntil)
	Versioned bool     // the store keeps a version with every row (Batch.Equals, Tx.GetVersion)
	Append    bool     // keys mostly grow within their owner: pages are filled instead of halved when they split
	Layout    uint32   // version of the key and value encoding; 0 and 1 are the first
	Upgrade   Upgrade  // brings one row from an older Layout to this one
	Indexes   []*Index // derived by the store's writer
}

// Upgrade converts one row written under layout from (which is less than the table's Layout) to the table's own
// encoding. It must be a pure function of its arguments and may not keep them; keep false drops the row. A nil Upgrade
// keeps rows as they are.
type Upgrade func(from uint32, key, value []byte) (newKey, newValue []byte, keep bool)

// Index is a second order over a table's rows. Its entries are derived by the store whenever a row changes and can never
// disagree with the rows.
type Index struct {
	Name    string
	Version uint32 // raise it when Keys changes: the store then rebuilds the index as it opens

	// Keys calls add for each index key of the row, which may be none. It must be a pure function of its arguments,
	// may not keep them, and must build its keys with the encoders of this package so that no key is a prefix of
	// another.
	Keys func(key, value []byte, add func(indexKey []byte))
}

// Option is one property of a table.
type Option func(*Table)

// New declares a table. It is called by constructors, never with outside input: a bad name panics.
func New(name string, owner Owner, opts ...Option) *Table {
	if !validName(name) {
		panic("table: bad name " + name)
	}
	t := &Table{Name: name, Owner: owner}
	for _, o := range opts {
		o(t)
	}
	return t
}

// Cache puts the table into cache.db.
func Cache() Option { return func(t *Table) { t.Cache = true } }

// Expires lets rows carry an expiry.
func Expires() Option { return func(t *Table) { t.Expires = true } }

// Versioned makes the store keep a version with every row.
func Versioned() Option { return func(t *Table) { t.Versioned = true } }

// Append says that keys mostly grow within their owner, as an archive's do.
func Append() Option { return func(t *Table) { t.Append = true } }

// Export names the XEP-0227 element the rows become.
func Export(element string) Option { return func(t *Table) { t.Export = element } }

// Layout sets the version of the row encoding and the function that brings older rows to it.
func Layout(version uint32, up Upgrade) Option {
	return func(t *Table) { t.Layout, t.Upgrade = version, up }
}

// WithIndex adds an index; see Index for what keys must be.
func WithIndex(name string, version uint32, keys func(key, value []byte, add func(indexKey []byte))) Option {
	if !validName(name) {
		panic("table: bad index name " + name)
	}
	return func(t *Table) {
		t.Indexes = append(t.Indexes, &Index{Name: name, Version: version, Keys: keys})
	}
}

func validName(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' {
			return false
		}
	}
	return true
}
