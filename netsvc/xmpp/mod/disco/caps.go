package disco

import (
	"sync"

	"linnet/netsvc/wire/disco"
	"linnet/netsvc/wire/xmlstream"
	"linnet/netsvc/xmpp"
)

// capsNode names this software in capabilities, XEP-0115 section 4: with the hash
// behind it, it is a node that can be asked.
const capsNode = "urn:linnet:server"

// caps are the hashes of what each host answers. They cannot change within one
// generation, whose instance this belongs to.
type caps struct{ byHost sync.Map }

// ver is the verification string of a host.
func (m *module) ver(host string) string {
	if v, ok := m.caps.byHost.Load(host); ok {
		return v.(string)
	}
	v := m.describe(xmpp.ToHost, host).Ver()
	m.caps.byHost.Store(host, v)
	return v
}

// streamFeature is section 6.3: a client learns what the server can do without
// asking, if it has seen the hash before.
func (m *module) streamFeature(host string) []byte {
	w := xmlstream.NewWriter("")
	disco.Caps{Hash: disco.HashName, Node: capsNode, Ver: m.ver(host)}.Append(w)
	return w.Bytes()
}
