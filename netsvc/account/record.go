package account

import (
	"encoding/binary"
	"errors"
	"time"

	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/sasl"
	"linnet/store/table"
)

// tables are the rows of this package. A key of an Account table begins with the
// ID, one of a Host table with the domain.
type tables struct {
	accounts    *table.Table // ID → Account
	names       *table.Table // domain, local part → ID: who exists, in the order of lists
	keys        *table.Table // ID, hash → sasl.Keys
	activity    *table.Table // ID → Activity
	invitations *table.Table // domain, hash of the token → Invitation
	secrets     *table.Table // name → random bytes
}

func newTables() tables {
	return tables{
		accounts:    table.New("account", table.Account, table.Versioned(), table.Export("user")),
		names:       table.New("account.name", table.Host),
		keys:        table.New("account.scram", table.Account, table.Export("scram-credentials")),
		activity:    table.New("account.activity", table.Account),
		invitations: table.New("account.invitation", table.Host, table.Expires(), table.Versioned()),
		secrets:     table.New("account.secret", table.None),
	}
}

func (t *tables) all() []*table.Table {
	return []*table.Table{t.accounts, t.names, t.keys, t.activity, t.invitations, t.secrets}
}

// Row returns the key prefix of an account's rows in every table it owns.
func (id ID) Row() []byte { return table.AppendUint64(nil, uint64(id)) }

func nameKey(j jid.JID) []byte {
	return table.AppendString(table.AppendString(nil, j.Domain()), j.Local())
}

func keysKey(id ID, h sasl.Hash) []byte {
	return append(id.Row(), byte(h))
}

var errRow = errors.New("account: malformed row")

// A row is a list of fields: numbers as varints, texts with their length before
// them. The first byte is the version of the list.
const rowVersion = 1

type writer []byte

func newWriter() writer           { return writer{rowVersion} }
func (w *writer) number(v uint64) { *w = binary.AppendUvarint(*w, v) }
func (w *writer) text(s string)   { w.number(uint64(len(s))); *w = append(*w, s...) }
func (w *writer) bytes(b []byte)  { w.number(uint64(len(b))); *w = append(*w, b...) }

// time writes seconds; the zero time is 0.
func (w *writer) time(t time.Time) {
	if t.IsZero() {
		w.number(0)
		return
	}
	*w = binary.AppendVarint(append(*w, 1), t.Unix())
}

type reader struct {
	b   []byte
	bad bool
}

func newReader(b []byte) *reader {
	if len(b) == 0 || b[0] != rowVersion {
		return &reader{bad: true}
	}
	return &reader{b: b[1:]}
}

func (r *reader) number() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.b, r.bad = nil, true
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) bytes() []byte {
	n := r.number()
	if n > uint64(len(r.b)) {
		r.b, r.bad = nil, true
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) text() string { return string(r.bytes()) }

func (r *reader) time() time.Time {
	if r.number() == 0 {
		return time.Time{}
	}
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.b, r.bad = nil, true
		return time.Time{}
	}
	r.b = r.b[n:]
	return time.Unix(v, 0).UTC()
}

func (r *reader) err() error {
	if r.bad {
		return errRow
	}
	return nil
}

func encodeAccount(a *Account) []byte {
	w := newWriter()
	w.text(a.JID.Domain())
	w.text(a.JID.Local())
	w.time(a.Created)
	w.number(uint64(a.Role - User))
	flags := uint64(0)
	if a.Disabled {
		flags = 1
	}
	w.number(flags)
	w.time(a.DisabledSince)
	w.text(a.Reason)
	return w
}

func decodeAccount(id ID, b []byte) (Account, error) {
	r := newReader(b)
	a := Account{ID: id}
	domain, local := r.text(), r.text()
	a.Created = r.time()
	a.Role = User // what is no role of ours has no power
	if n := r.number(); n <= uint64(Admin-User) {
		a.Role += Role(n)
	}
	a.Disabled = r.number()&1 != 0
	a.DisabledSince = r.time()
	a.Reason = r.text()
	if r.bad {
		return Account{}, errRow
	}
	j, err := jid.New(local, domain, "")
	a.JID = j
	return a, err
}

func encodeKeys(k *sasl.Keys) []byte {
	w := newWriter()
	w.number(uint64(k.Iterations))
	w.bytes(k.Salt)
	w.bytes(k.StoredKey)
	w.bytes(k.ServerKey)
	return w
}

// decodeKeys returns keys that lie in b.
func decodeKeys(b []byte) (sasl.Keys, error) {
	r := newReader(b)
	n := r.number()
	k := sasl.Keys{Iterations: int(n), Salt: r.bytes(), StoredKey: r.bytes(), ServerKey: r.bytes()}
	if n > 1<<30 {
		r.bad = true
	}
	return k, r.err()
}
