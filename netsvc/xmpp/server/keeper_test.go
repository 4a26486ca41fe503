package server

import (
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/xmpp"
	"linnet/store/table"
)

// keeperSpace is the namespace of the mark <kept/> on messages that the keeper takes.
const keeperSpace = "urn:test:keeper"

// keeper stands in the place of the archive, which this test program does not have, and keeps what has a mark.
type keeper struct {
	host xmpp.Host
	rows *table.Table
}

// whileKept is called for every message that nobody takes, before it has a row.
var whileKept func()

func init() {
	xmpp.Register(xmpp.Info{Name: "archive", Summary: "an archive for tests", New: func() xmpp.Module { return new(keeper) }})
}

func (k *keeper) Setup(h xmpp.Host) error {
	k.host, k.rows = h, table.New("keeper", table.Account)
	h.Table(k.rows)
	h.Hooks().Received.Handle.Add("archive", func(t *xmpp.Transit) xmpp.Verdict {
		if t.Stanza.Kind == stanza.Message && t.Stanza.Has(keeperSpace, "kept") {
			key := table.AppendUint64(table.AppendUint64(nil, uint64(t.Account.ID())), k.host.Store().Order())
			t.Batch.Put(k.rows, key, []byte{1})
			t.Keep()
		}
		return xmpp.Pass
	})
	h.Hooks().Undelivered.Handle.Add("archive", func(*xmpp.Transit) xmpp.Verdict {
		if whileKept != nil {
			whileKept()
		}
		return xmpp.Pass
	})
	return nil
}
