package firstboot

import (
	"context"
	"os"
	"strings"

	"linnet/netsvc/wire/jid"
	"linnet/store"
	"linnet/store/table"
)

// Table declares what is known about this device.
func Table() *table.Table { return table.New("site", table.None) }

// Keys of the table.
var keyDomain = []byte("domain")

// Domain returns the domain of a device whose configuration names none: the one of its first boot, or now
// HOSTNAME.local, which machines of the same network find by multicast DNS (RFC 6762), and writes it down.
func Domain(ctx context.Context, s *store.Store, site *table.Table) (string, error) {
	var known string
	if err := s.View(func(tx *store.Tx) error {
		value, _ := tx.Get(site, keyDomain)
		known = string(value)
		return nil
	}); err != nil || known != "" {
		return known, err
	}
	host, err := os.Hostname()
	if err != nil {
		host = ""
	}
	chosen := hostDomain(host)
	var b store.Batch
	b.Put(site, keyDomain, []byte(chosen))
	return chosen, s.Apply(ctx, &b)
}

// hostDomain makes a domain of a machine's name. "localhost" is what is left when it has none of its own.
func hostDomain(host string) string {
	host, _, _ = strings.Cut(strings.ToLower(host), ".")
	if host == "" || host == "localhost" {
		return "localhost"
	}
	j, err := jid.Parse(host + ".local")
	if err != nil || !j.IsHost() {
		return "localhost"
	}
	return j.Domain()
}
