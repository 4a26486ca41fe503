// Package xmpptest runs extensions in a test, on a server that behaves: hooks in
// their order, the table of IQs, a real store with real accounts, sessions that
// collect what their clients would get. A test reads like the examples of a
// specification:
//
//	xmpptest.Test(t, xmpptest.Options{Hosts: []string{"capulet.lit"}}, func(t *testing.T, s *xmpptest.Server) {
//		juliet := s.Login("juliet@capulet.lit/balcony")
//		juliet.Send(`<iq type='get' id='c2s1' to='capulet.lit'><ping xmlns='urn:xmpp:ping'/></iq>`)
//		juliet.Expect(`<iq type='result' id='c2s1' from='capulet.lit'/>`)
//		juliet.Nothing()
//	})
//
// Time in it is fake (testing/synctest): time.Sleep takes none, and Expect and
// Nothing look only when everything that was under way has come to rest.
//
// The extensions are those that the test's program imports, that is the one under
// test. Without a roster extension, Server.Subscribe says who is whose contact.
// What goes to a domain that is not served comes out at a Peer, which can also
// send.
//
// What it leaves out of the real server: connections and stream management (a
// session takes everything at once, see Client.Hang), limits, and the
// settlement of stanzas. At the end of a Test every account that was retained
// must have been released.
package xmpptest
