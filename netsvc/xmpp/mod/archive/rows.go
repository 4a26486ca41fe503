package archive

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"time"

	"linnet/netsvc/account"
	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/stanza"
	"linnet/store"
	"linnet/store/table"
)

// id names one copy: its order in the store, which is the time in microseconds
// wherever the clock allows, and 64 random bits.
type id [16]byte

func newID(s *store.Store) (n id) {
	binary.BigEndian.PutUint64(n[:8], s.Order())
	rand.Read(n[8:])
	return n
}

// idAt comes before every id made at that microsecond or later, and after every
// one made before.
func idAt(micro uint64) (n id) {
	binary.BigEndian.PutUint64(n[:8], micro)
	return n
}

// next is the smallest id after n.
func (n id) next() id {
	for i := len(n) - 1; i >= 0; i-- {
		if n[i]++; n[i] != 0 {
			break
		}
	}
	return n
}

func (n id) append(dst []byte) []byte { return base64.RawURLEncoding.AppendEncode(dst, n[:]) }

func (n id) String() string { return base64.RawURLEncoding.EncodeToString(n[:]) }

// time is when the copy was made.
func (n id) time() time.Time {
	return time.UnixMicro(int64(binary.BigEndian.Uint64(n[:8]))).UTC()
}

var errID = errors.New("archive: not an id of this archive")

// parseID takes an id as String spells it and in no other way: the decoder would skip
// line ends, and the bits that the last digit has too many.
func parseID(s string) (n id, err error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) != len(n) || id(b).String() != s {
		return n, errID
	}
	return id(b), nil
}

// The rows: account, id → contact's bare address, message. The index by contact
// has the same rows by account, contact, id.

const byContact = "contact"

func newRows() *table.Table {
	return table.New("archive", table.Account, table.Append(), table.Export("archive"),
		table.WithIndex(byContact, 1, func(key, value []byte, add func([]byte)) {
			contact, _, err := table.ReadString(value)
			if err != nil || len(key) != 24 {
				return
			}
			k := table.AppendString(append(make([]byte, 0, 64), key[:8]...), contact)
			add(append(k, key[8:]...))
		}))
}

// rowKey is the key of the row with the id's bytes.
func rowKey(a account.ID, n string) []byte {
	return append(table.AppendUint64(make([]byte, 0, 24), uint64(a)), n...)
}

func rowValue(contact jid.JID, s *stanza.Stanza) []byte {
	b := make([]byte, 0, len(contact.String())+2+s.Size()+24)
	return s.AppendForwarded(table.AppendString(b, contact.String()))
}

// row is one copy as it is read.
type row struct {
	id      id
	message []byte // as AppendForwarded wrote it; the store's own bytes
}

func readRow(key, value []byte) (r row, contact string, err error) {
	if len(key) != 24 {
		return r, "", errID
	}
	copy(r.id[:], key[8:])
	contact, r.message, err = table.ReadString(value)
	return r, contact, err
}
