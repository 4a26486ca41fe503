// Package version says which software serves a domain: Software Version, XEP-0092
// 1.1.
package version

import (
	"runtime"

	"linnet/netsvc/wire/xmlstream"
	"linnet/netsvc/xmpp"
)

const space = "jabber:iq:version"

func init() {
	xmpp.Register(xmpp.Info{
		Name:    "version",
		Summary: "says which software this is",
		Specs:   []string{"XEP-0092 1.1"},
		New:     func() xmpp.Module { return new(module) },
	})
}

type module struct {
	host xmpp.Host
	os   bool
}

func (m *module) Setup(h xmpp.Host) error {
	m.host = h
	h.Options().Bool(&m.os, "os", false, "tell anybody who asks the operating system and the processor, too")
	h.IQ(xmpp.IQ{Space: space, Local: "query", To: xmpp.ToHost, Get: m.get})
	return nil
}

func (m *module) get(r *xmpp.Request) {
	w := xmlstream.NewWriter(xmlstream.ClientSpace)
	w.Start(space, "query").Leaf("", "name", "linnet").Leaf("", "version", m.host.Site().Version)
	if m.os {
		w.Leaf("", "os", runtime.GOOS+" "+runtime.GOARCH)
	}
	r.Result(w.End().Bytes())
}
