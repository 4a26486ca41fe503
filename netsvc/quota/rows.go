package quota

import (
	"encoding/binary"
	"errors"
	"time"

	"linnet/netsvc/account"
	"linnet/netsvc/wire/jid"
	"linnet/store/table"
)

// tables are the rows of the ledger.
type tables struct {
	leases *table.Table // number of the flow → what it was given: open flows only
	flows  *table.Table // order → Entry

	usedByUser   *table.Table // account, month → out, in
	usedByDomain *table.Table // group, month → out, in
	usedByBox    *table.Table // box, month → bytes

	userLimits   *table.Table // account, scope → Value
	domainLimits *table.Table // group, scope → Value
	userCredit   *table.Table // account → balance
	domainCredit *table.Table // group → balance
}

func newTables() tables {
	return tables{
		leases:       table.New("quota.lease", table.None),
		flows:        table.New("quota.flow", table.None, table.Expires(), table.Append()),
		usedByUser:   table.New("quota.used.account", table.Account, table.Expires()),
		usedByDomain: table.New("quota.used.host", table.Host, table.Expires()),
		usedByBox:    table.New("quota.used.box", table.None, table.Expires()),
		userLimits:   table.New("quota.limit.account", table.Account),
		domainLimits: table.New("quota.limit.host", table.Host),
		userCredit:   table.New("quota.credit.account", table.Account),
		domainCredit: table.New("quota.credit.host", table.Host),
	}
}

func (t *tables) all() []*table.Table {
	return []*table.Table{t.leases, t.flows, t.usedByUser, t.usedByDomain, t.usedByBox,
		t.userLimits, t.domainLimits, t.userCredit, t.domainCredit}
}

// used returns the table and the key of a meter's row.
func (t *tables) used(k meterKey) (*table.Table, []byte) {
	switch k.scope {
	case User:
		return t.usedByUser, table.AppendUint32(k.id.Row(), uint32(k.month))
	case Domain:
		return t.usedByDomain, table.AppendUint32(table.AppendString(nil, k.name), uint32(k.month))
	}
	return t.usedByBox, table.AppendUint32(table.AppendString(nil, k.name), uint32(k.month))
}

// limit returns the table and the key of the limit that is set for a user (id) or a
// group (name).
func (t *tables) limit(id account.ID, name string, s Scope) (*table.Table, []byte) {
	if id != 0 {
		return t.userLimits, append(id.Row(), byte(s))
	}
	return t.domainLimits, append(table.AppendString(nil, name), byte(s))
}

// credit returns the table and the key of a balance.
func (t *tables) credit(id account.ID, name string) (*table.Table, []byte) {
	if id != 0 {
		return t.userCredit, id.Row()
	}
	return t.domainCredit, table.AppendString(nil, name)
}

var errRow = errors.New("quota: malformed row")

func encodeUsed(out, in int64) []byte {
	return table.AppendInt64(table.AppendInt64(nil, out), in)
}

func decodeUsed(v []byte) (out, in int64, err error) {
	if out, v, err = table.ReadInt64(v); err == nil {
		in, _, err = table.ReadInt64(v)
	}
	return out, in, err
}

// A longer row is a list of fields: numbers as varints, texts with their length
// before them. The first byte is the version of the list.
const rowVersion = 1

type writer []byte

func newWriter() writer              { return writer{rowVersion} }
func (w *writer) number(v int64)     { *w = binary.AppendVarint(*w, v) }
func (w *writer) text(s string)      { w.number(int64(len(s))); *w = append(*w, s...) }
func (w *writer) moment(t time.Time) { w.number(t.UnixMilli()) }

type reader struct {
	rest []byte
	bad  bool
}

func newReader(v []byte) *reader {
	if len(v) == 0 || v[0] != rowVersion {
		return &reader{bad: true}
	}
	return &reader{rest: v[1:]}
}

func (r *reader) number() int64 {
	v, n := binary.Varint(r.rest)
	if n <= 0 || r.bad {
		r.bad = true
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *reader) text() string {
	n := r.number()
	if r.bad || n < 0 || n > int64(len(r.rest)) {
		r.bad = true
		return ""
	}
	s := string(r.rest[:n])
	r.rest = r.rest[n:]
	return s
}

func (r *reader) moment() time.Time { return time.UnixMilli(r.number()).UTC() }

func (r *reader) address() jid.JID {
	s := r.text()
	if s == "" || r.bad {
		return jid.JID{}
	}
	j, err := jid.Parse(s)
	if err != nil {
		r.bad = true
	}
	return j
}

func (r *reader) err() error {
	if r.bad {
		return errRow
	}
	return nil
}

// Entry is one line of the ledger: what flowed between two parties in one month.
// A flow that goes on over the end of a month has an entry for each.
type Entry struct {
	Order     uint64 // of all entries of this box
	Service   string
	Box       string
	From, To  jid.JID // as in Flow
	Requester jid.JID
	Group     string // billing group of the requester, "" when he is not local
	Month     Month
	Out, In   int64 // bytes from From to To, and back
	Credit    int64 // bytes taken from a credit
	Begin     time.Time
	End       time.Time
	Reason    string // why it ended
}

func (e *Entry) encode() []byte {
	w := newWriter()
	w.text(e.Service)
	w.text(e.Box)
	w.text(e.From.String())
	w.text(e.To.String())
	w.text(e.Requester.String())
	w.text(e.Group)
	w.number(int64(e.Month))
	w.number(e.Out)
	w.number(e.In)
	w.number(e.Credit)
	w.moment(e.Begin)
	w.moment(e.End)
	w.text(e.Reason)
	return w
}

func decodeEntry(key, v []byte) (e Entry, err error) {
	if e.Order, _, err = table.ReadUint64(key); err != nil {
		return e, err
	}
	r := newReader(v)
	e.Service, e.Box = r.text(), r.text()
	e.From, e.To, e.Requester = r.address(), r.address(), r.address()
	e.Group, e.Month = r.text(), Month(r.number())
	e.Out, e.In, e.Credit = r.number(), r.number(), r.number()
	e.Begin, e.End, e.Reason = r.moment(), r.moment(), r.text()
	return e, r.err()
}

// lease is the row of a flow that is open: all that is needed to charge it after a
// crash.
type lease struct {
	entry   Entry // Out and In as they were when the row was written
	granted int64 // bytes, of both directions, in the entry's month
	charges []charge
	purse   meterKey // scope Credit; zero for none
}

func (l *lease) encode() []byte {
	w := newWriter()
	w.text(string(l.entry.encode()))
	w.number(l.granted)
	w.number(int64(len(l.charges)))
	for i := range l.charges {
		c := &l.charges[i]
		l.charges[i].key.encode(&w)
		for _, d := range c.per {
			w.number(d.out)
			w.number(d.in)
		}
	}
	l.purse.encode(&w)
	return w
}

func decodeLease(key, v []byte) (l lease, err error) {
	r := newReader(v)
	text := r.text()
	l.granted = r.number()
	n := r.number()
	if r.bad || n < 0 || n > 16 {
		return l, errRow
	}
	for range n {
		c := charge{key: decodeKey(r)}
		for d := range c.per {
			c.per[d].out, c.per[d].in = r.number(), r.number()
		}
		l.charges = append(l.charges, c)
	}
	l.purse = decodeKey(r)
	if r.bad {
		return l, errRow
	}
	l.entry, err = decodeEntry(key, []byte(text))
	return l, err
}

func (k *meterKey) encode(w *writer) {
	w.number(int64(k.scope))
	w.number(int64(k.id))
	w.text(k.name)
	w.number(int64(k.month))
}

func decodeKey(r *reader) meterKey {
	return meterKey{scope: Scope(r.number()), id: account.ID(r.number()), name: r.text(), month: Month(r.number())}
}
