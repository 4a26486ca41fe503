package xmpp

import (
	"time"

	"linnet/netsvc/wire/jid"
	"linnet/netsvc/wire/stamp"
	"linnet/netsvc/wire/stanza"
	"linnet/netsvc/wire/xmlstream"
)

// Delayed returns the stanza with the moment since when by, one of our hosts, has
// kept it back (XEP-0203 2.0). A stanza that bears by's stamp already stays as it
// is: the first one is the true one. A moment before built, when the program was made
// (store.Options), is marked as that of a clock that was not set.
func Delayed(s *stanza.Stanza, by jid.JID, since, built time.Time) *stanza.Stanza {
	stamped := false
	s.Each(func(space, local string, raw []byte) bool {
		if space == stamp.Space && local == "delay" {
			if n, err := xmlstream.Parse(raw, "jabber:client"); err == nil {
				d, err := stamp.ParseDelay(n)
				stamped = err == nil && d.From == by
			}
		}
		return !stamped
	})
	if stamped {
		return s
	}
	w := xmlstream.NewWriter("jabber:client")
	stamp.Delay{From: by, Time: since, Unset: !stamp.IsSet(since, built)}.Append(w)
	return s.Append(w.Bytes())
}
