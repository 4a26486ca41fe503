package quota

import (
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

func encodeUsed(out, in int64) []byte {
	return table.AppendInt64(table.AppendInt64(nil, out), in)
}

func decodeUsed(v []byte) (out, in int64, err error) {
	if out, v, err = table.ReadInt64(v); err == nil {
		in, _, err = table.ReadInt64(v)
	}
	return out, in, err
}

// rowVersion is that of the longer rows, which are lists of fields. (1 was never
// released.)
const rowVersion = 2

// Moments are kept to the millisecond.
func putMoment(w *table.Writer, t time.Time) { w.Int(t.UnixMilli()) }

func readMoment(r *table.Reader) time.Time { return time.UnixMilli(r.Int()).UTC() }

func readAddress(r *table.Reader) jid.JID {
	s := r.Text()
	if s == "" {
		return jid.JID{}
	}
	j, err := jid.Parse(s)
	if err != nil {
		r.Fail()
	}
	return j
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
	w := table.NewWriter(rowVersion)
	w.Text(e.Service)
	w.Text(e.Box)
	w.Text(e.From.String())
	w.Text(e.To.String())
	w.Text(e.Requester.String())
	w.Text(e.Group)
	w.Int(int64(e.Month))
	w.Int(e.Out)
	w.Int(e.In)
	w.Int(e.Credit)
	putMoment(&w, e.Begin)
	putMoment(&w, e.End)
	w.Text(e.Reason)
	return w
}

func decodeEntry(key, v []byte) (e Entry, err error) {
	if e.Order, _, err = table.ReadUint64(key); err != nil {
		return e, err
	}
	r := table.NewReader(rowVersion, v)
	e.Service, e.Box = r.Text(), r.Text()
	e.From, e.To, e.Requester = readAddress(r), readAddress(r), readAddress(r)
	e.Group, e.Month = r.Text(), Month(r.Int())
	e.Out, e.In, e.Credit = r.Int(), r.Int(), r.Int()
	e.Begin, e.End, e.Reason = readMoment(r), readMoment(r), r.Text()
	return e, r.Err()
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
	w := table.NewWriter(rowVersion)
	w.Text(string(l.entry.encode()))
	w.Int(l.granted)
	w.Int(int64(len(l.charges)))
	for i := range l.charges {
		c := &l.charges[i]
		l.charges[i].key.encode(&w)
		for _, d := range c.per {
			w.Int(d.out)
			w.Int(d.in)
		}
	}
	l.purse.encode(&w)
	return w
}

func decodeLease(key, v []byte) (l lease, err error) {
	r := table.NewReader(rowVersion, v)
	text := r.Text()
	l.granted = r.Int()
	n := r.Int()
	if n < 0 || n > 16 {
		r.Fail()
		n = 0
	}
	for range n {
		c := charge{key: decodeKey(r)}
		for d := range c.per {
			c.per[d].out, c.per[d].in = r.Int(), r.Int()
		}
		l.charges = append(l.charges, c)
	}
	l.purse = decodeKey(r)
	if err := r.Err(); err != nil {
		return l, err
	}
	l.entry, err = decodeEntry(key, []byte(text))
	return l, err
}

func (k *meterKey) encode(w *table.Writer) {
	w.Int(int64(k.scope))
	w.Int(int64(k.id))
	w.Text(k.name)
	w.Int(int64(k.month))
}

func decodeKey(r *table.Reader) meterKey {
	return meterKey{scope: Scope(r.Int()), id: account.ID(r.Int()), name: r.Text(), month: Month(r.Int())}
}
