package time_test

import (
	"testing"
	"time"

	"linnet/netsvc/xmpp/xmpptest"

	_ "linnet/netsvc/xmpp/mod/time"
)

func TestTime(t *testing.T) {
	for _, tc := range []struct {
		zone *time.Location
		tzo  string
	}{
		{time.UTC, "+00:00"},
		{time.FixedZone("Denver", -6*3600), "-06:00"},
		{time.FixedZone("Kathmandu", 5*3600+45*60), "+05:45"},
	} {
		t.Run(tc.tzo, func(t *testing.T) {
			local := time.Local
			time.Local = tc.zone
			defer func() { time.Local = local }()
			xmpptest.Test(t, xmpptest.Options{Hosts: []string{"capulet.com"}}, func(t *testing.T, s *xmpptest.Server) {
				juliet := s.Login("juliet@capulet.com/balcony")
				time.Sleep(time.Until( // fake time begins with the year 2000
					time.Date(2000, 1, 1, 17, 58, 35, 900_000_000, time.UTC)))
				juliet.Ask(`<iq type='get' to='capulet.com' id='time_1'><time xmlns='urn:xmpp:time'/></iq>`,
					`<iq type='result' from='capulet.com' id='time_1'><time xmlns='urn:xmpp:time'><tzo>`+tc.tzo+`</tzo><utc>2000-01-01T17:58:35Z</utc></time></iq>`)
			})
		})
	}
}

// A clock that was never set tells no time, and anything else than a question is
// answered, too.
func TestRefusals(t *testing.T) {
	const set = `<iq type='set' to='capulet.com' id='time_1'><time xmlns='urn:xmpp:time'/></iq>`
	const get = `<iq type='get' to='capulet.com' id='time_1'><time xmlns='urn:xmpp:time'/></iq>`
	built := time.Date(2000, 1, 2, 0, 0, 0, 0, time.UTC)
	xmpptest.Test(t, xmpptest.Options{Hosts: []string{"capulet.com"}, Built: built}, func(t *testing.T, s *xmpptest.Server) {
		juliet := s.Login("juliet@capulet.com/balcony")
		juliet.Ask(set, `<iq type='error' from='capulet.com' id='time_1'><error type='cancel'><feature-not-implemented xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>`)
		juliet.Ask(get, `<iq type='error' from='capulet.com' id='time_1'><error type='wait'><resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>`)
		time.Sleep(time.Until(built))
		juliet.Ask(get, `<iq type='result' from='capulet.com' id='time_1'><time xmlns='urn:xmpp:time'><tzo>*</tzo><utc>2000-01-02T00:00:00Z</utc></time></iq>`)
	})
}
