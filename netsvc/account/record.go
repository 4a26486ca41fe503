package account

import (
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

// rowVersion is that of the lists of fields.
const rowVersion = 1

func encodeAccount(a *Account) []byte {
	w := table.NewWriter(rowVersion)
	w.Text(a.JID.Domain())
	w.Text(a.JID.Local())
	w.Time(a.Created)
	w.Number(uint64(a.Role - User))
	flags := uint64(0)
	if a.Disabled {
		flags = 1
	}
	w.Number(flags)
	w.Time(a.DisabledSince)
	w.Text(a.Reason)
	return w
}

func decodeAccount(id ID, b []byte) (Account, error) {
	r := table.NewReader(rowVersion, b)
	a := Account{ID: id}
	domain, local := r.Text(), r.Text()
	a.Created = r.Time()
	a.Role = User // what is no role of ours has no power
	if n := r.Number(); n <= uint64(Admin-User) {
		a.Role += Role(n)
	}
	a.Disabled = r.Number()&1 != 0
	a.DisabledSince = r.Time()
	a.Reason = r.Text()
	if err := r.Err(); err != nil {
		return Account{}, err
	}
	j, err := jid.New(local, domain, "")
	a.JID = j
	return a, err
}

func encodeKeys(k *sasl.Keys) []byte {
	w := table.NewWriter(rowVersion)
	w.Number(uint64(k.Iterations))
	w.Bytes(k.Salt)
	w.Bytes(k.StoredKey)
	w.Bytes(k.ServerKey)
	return w
}

// decodeKeys returns keys that lie in b.
func decodeKeys(b []byte) (sasl.Keys, error) {
	r := table.NewReader(rowVersion, b)
	n := r.Number()
	k := sasl.Keys{Iterations: int(n), Salt: r.Bytes(), StoredKey: r.Bytes(), ServerKey: r.Bytes()}
	if n > 1<<30 {
		r.Fail()
	}
	return k, r.Err()
}
