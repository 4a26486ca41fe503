// Package peer says to whom this box may send for somebody else: the rules that keep a relay (netsvc/turn) or a gateway
// (netsvc/socks5) from being an open door into the networks behind it (RFC 8656 section 21.1.7 and 21.4).
//
// It owns the lists and the decision by address. Which ports are good at the box's own relay address is decided by
// netsvc/turn/relay, which has the relays.
package peer

import "net/netip"

// never are addresses that no relay sends to, whatever the operator opens: those that mean this machine, that mean
// many, that mean the link, and those that say another address in other words, which would pass a list by.
var never = prefixes(
	"0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4",
	"::/96",                          // unspecified, loopback, IPv4-compatible
	"::ffff:0:0/96",                  // IPv4-mapped
	"::ffff:0:0:0/96",                // IPv4-translated, RFC 2765
	"64:ff9b::/96", "64:ff9b:1::/48", // NAT64, RFC 6052 and 8215
	"2001::/32", "2002::/16", // Teredo and 6to4 carry IPv4 addresses
	"fe80::/10", "fec0::/10", "ff00::/8",
)

// closed are addresses that no host on the internet has (RFC 6890 and its registries as of 2026): behind them are
// the operator's own networks, which he can open.
var closed = prefixes(
	"10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16",
	"198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
	"::/3", "4000::/2", "8000::/1", // all of IPv6 but 2000::/3, of which the internet is made (RFC 4291 section 2.4)
	"2001::/23", "2001:db8::/32", "3fff::/20",
)

func prefixes(list ...string) (all []netip.Prefix) {
	for _, text := range list {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

// Network is where the box stands.
type Network struct {
	Own   []netip.Addr   // all its addresses
	Links []netip.Prefix // networks that it is a part of, whose members trust it more than a stranger
	Cast  []netip.Addr   // addresses that mean all of such a network
}

// Rules is one set of rules. It is not changed after it was made; nil permits nobody.
type Rules struct {
	allow, deny []netip.Prefix
	network     Network
}

// New makes rules for a box that stands in network. allow is what the operator opens of his own networks, deny what he
// closes beside; what is both is closed.
func New(network Network, allow, deny []netip.Prefix) *Rules {
	return &Rules{allow: allow, deny: deny, network: network}
}

// Permits reports whether a relay may send to the address: none that names this box, none that cannot be a host's,
// none of a network that the box is in or that is private, unless the operator has opened it.
func (r *Rules) Permits(a netip.Addr) bool {
	if r == nil || !a.IsValid() || a.Zone() != "" || contains(never, a) || contains(r.deny, a) {
		return false
	}
	for _, own := range r.network.Own {
		if own == a {
			return false
		}
	}
	for _, all := range r.network.Cast {
		if all == a {
			return false
		}
	}
	if contains(r.allow, a) {
		return true
	}
	return !contains(closed, a) && !contains(r.network.Links, a)
}

func contains(list []netip.Prefix, a netip.Addr) bool {
	for _, p := range list {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
