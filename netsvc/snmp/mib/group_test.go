package mib_test

import (
	"testing"
	"testing/synctest"
	"time"

	"linnet/netsvc/snmp/mib"
)

// A TimeStamp is the same whenever it is asked for: stations throw away what they counted when
// ifCounterDiscontinuityTime is another one.
func TestStamp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		env := &mib.Env{Began: func() time.Time {
			time.Sleep(20 * time.Millisecond) // somebody else has the processor
			return began
		}}
		time.Sleep(time.Second)
		changed := time.Now()
		time.Sleep(time.Hour)
		if v := env.Stamp(changed); v.Uint() != 100 {
			t.Errorf("after a second, the stamp is %s", v)
		}
		for _, before := range []time.Time{{}, began.Add(-time.Hour)} {
			if v := env.Stamp(before); v.Uint() != 0 {
				t.Errorf("at %s, before the agent began, the stamp is %s", before, v)
			}
		}
		if up := env.Uptime(); up < time.Hour+time.Second || up > time.Hour+2*time.Second {
			t.Errorf("the uptime is %s", up)
		}
		env.Began = func() time.Time { return time.Time{} }
		if v := env.Stamp(changed); v.Uint() != 0 || env.Uptime() != 0 {
			t.Errorf("while no agent runs, the stamp is %s, the uptime %s", v, env.Uptime())
		}
	})
}
