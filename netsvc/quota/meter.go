package quota

import (
	"strconv"
	"time"

	"linnet/netsvc/account"
)

// Month is a calendar month in UTC: year·12 + month − 1. The zero Month is none.
type Month uint32

// MonthOf returns the month of a moment.
func MonthOf(t time.Time) Month {
	year, month, _ := t.UTC().Date()
	return Month(max(0, year*12+int(month)-1))
}

// ParseMonth reads "2026-11".
func ParseMonth(text string) (Month, error) {
	t, err := time.Parse("2006-01", text)
	return MonthOf(t), err
}

// String writes "2026-11".
func (m Month) String() string {
	number := strconv.Itoa(int(m%12) + 1)
	if len(number) == 1 {
		number = "0" + number
	}
	return strconv.Itoa(int(m/12)) + "-" + number
}

// meterKey names a meter: of a user (id), a billing group or a box (name) in a
// month; or a balance, which has no month, of a user or a group.
type meterKey struct {
	scope Scope
	id    account.ID
	name  string
	month Month
}

// meter is what was used in a month, or a balance. Ledger.mu guards it.
type meter struct {
	key    meterKey
	who    string // for people
	refs   int    // flows, and commits under way
	out    int64  // settled bytes; of a balance: unused
	in     int64  // settled bytes; of a balance: what is left, leases included
	leased int64  // given to open flows, and not settled
}

// used is what counts against a limit.
func (m *meter) used() int64 { return m.out + m.in + m.leased }

// charge says how a flow's bytes count for one meter: by direction of the flow, how
// often each byte counts as out and as in. Two users of one domain make it count
// both.
type charge struct {
	key   meterKey
	meter *meter
	per   [2]struct{ out, in int64 }
}

// weight is how many bytes are charged for one that flows, in either direction.
func (c *charge) weight() int64 { return c.per[0].out + c.per[0].in }

// add settles bytes of each direction.
func (c *charge) add(used [2]int64) {
	for d, n := range used {
		c.meter.out += n * c.per[d].out
		c.meter.in += n * c.per[d].in
	}
}
