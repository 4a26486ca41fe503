package version_test

import (
	"runtime"
	"testing"

	"linnet/netsvc/xmpp/xmpptest"

	_ "linnet/netsvc/xmpp/mod/version"
)

const question = `<iq type='get' to='capulet.com' id='version_1'><query xmlns='jabber:iq:version'/></iq>`

func answer(os string) string {
	return `<iq type='result' from='capulet.com' id='version_1'><query xmlns='jabber:iq:version'><name>linnet</name><version>test</version>` + os + `</query></iq>`
}

func TestVersion(t *testing.T) {
	xmpptest.Test(t, xmpptest.Options{Hosts: []string{"capulet.com"}}, func(t *testing.T, s *xmpptest.Server) {
		juliet := s.Login("juliet@capulet.com/balcony")
		juliet.Ask(question, answer(""))
		s.Reload(map[string]string{"xmpp.version/os": "true"})
		juliet.Ask(question, answer(`<os>`+runtime.GOOS+` `+runtime.GOARCH+`</os>`))
		juliet.Ask(`<iq type='set' to='capulet.com' id='1'><query xmlns='jabber:iq:version'/></iq>`, `<iq type='error' from='capulet.com' id='1'>
			<error type='cancel'><feature-not-implemented xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>`)
	})
}
