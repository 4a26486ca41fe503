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
