// Package outside is how the world reaches this box: the address it is known by beyond the router it may stand
// behind, and which of its ports can be reached there, under which number.
//
// Services that give addresses to others (TURN, SOCKS5 transfers) say which ports they want reachable ([Outside.Want])
// and read where those are ([Port.External]); whoever knows how to ask a router, the mapper (netsvc/portmap), looks at
// what is wanted ([Outside.Wanted]) and tells what it got ([Outside.Publish]). So the two sides do not know each
// other, and a service works without any mapper: then nothing is known, and nothing is mapped.
//
// The package owns that knowledge and nothing else: it opens no socket and asks nobody. It is about IPv4, for IPv6
// has no address translation; a firewall in front of IPv6 addresses is not its subject.
package outside
