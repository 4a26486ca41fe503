package stamp

import (
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	utc := func(year int, month time.Month, day, hour, minute, second, nanos int) time.Time {
		return time.Date(year, month, day, hour, minute, second, nanos, time.UTC)
	}
	tests := []struct {
		name, in string
		want     time.Time
		err      error
	}{
		// XEP-0082 section 3.2, examples 2 and 3.
		{name: "first steps on the Moon", in: "1969-07-21T02:56:15Z", want: utc(1969, 7, 21, 2, 56, 15, 0)},
		{name: "the same in Houston", in: "1969-07-20T21:56:15-05:00", want: utc(1969, 7, 21, 2, 56, 15, 0)},

		{name: "milliseconds", in: "2002-09-10T23:08:25.123Z", want: utc(2002, 9, 10, 23, 8, 25, 123e6)},
		{name: "one digit", in: "2002-09-10T23:08:25.1Z", want: utc(2002, 9, 10, 23, 8, 25, 1e8)},
		{name: "nanoseconds", in: "2002-09-10T23:08:25.000000001Z", want: utc(2002, 9, 10, 23, 8, 25, 1)},
		{name: "finer than we keep", in: "2002-09-10T23:08:25.00000000199999Z", want: utc(2002, 9, 10, 23, 8, 25, 1)},
		{name: "fraction and offset", in: "2002-09-10T23:08:25.5+05:30", want: utc(2002, 9, 10, 17, 38, 25, 5e8)},
		{name: "leap day", in: "2024-02-29T00:00:00Z", want: utc(2024, 2, 29, 0, 0, 0, 0)},
		{name: "end of the day", in: "2024-12-31T24:00:00Z", want: utc(2025, 1, 1, 0, 0, 0, 0)},
		{name: "offset at the limit", in: "2024-01-01T00:00:00-14:00", want: utc(2024, 1, 1, 14, 0, 0, 0)},
		{name: "negative zero offset", in: "2024-01-01T00:00:00-00:00", want: utc(2024, 1, 1, 0, 0, 0, 0)},
		{name: "year 0", in: "0000-01-01T00:00:00Z", want: utc(0, 1, 1, 0, 0, 0, 0)},

		{name: "empty", in: "", err: ErrSyntax},
		{name: "no zone", in: "2002-09-10T23:08:25", err: ErrSyntax},
		{name: "no zone after the fraction", in: "2002-09-10T23:08:25.1", err: ErrSyntax},
		{name: "no digit after the point", in: "2002-09-10T23:08:25.Z", err: ErrSyntax},
		{name: "comma", in: "2002-09-10T23:08:25,1Z", err: ErrSyntax},
		{name: "small letters", in: "2002-09-10t23:08:25z", err: ErrSyntax},
		{name: "space for T", in: "2002-09-10 23:08:25Z", err: ErrSyntax},
		{name: "more after the zone", in: "2002-09-10T23:08:25ZZ", err: ErrSyntax},
		{name: "space after the zone", in: "2002-09-10T23:08:25Z ", err: ErrSyntax},
		{name: "offset without colon", in: "2002-09-10T23:08:25+0100", err: ErrSyntax},
		{name: "offset of hours", in: "2002-09-10T23:08:25+01", err: ErrSyntax},
		{name: "sign in a field", in: "2002-+9-10T23:08:25Z", err: ErrSyntax},
		{name: "year of five digits", in: "12002-09-10T23:08:25Z", err: ErrSyntax},
		{name: "negative year", in: "-0001-09-10T23:08:25Z", err: ErrSyntax},
		{name: "XEP-0091", in: "20020910T23:08:25", err: ErrSyntax},
		{name: "month 0", in: "2002-00-10T23:08:25Z", err: ErrRange},
		{name: "month 13", in: "2002-13-10T23:08:25Z", err: ErrRange},
		{name: "day 0", in: "2002-09-00T23:08:25Z", err: ErrRange},
		{name: "day 31 of 30", in: "2002-09-31T23:08:25Z", err: ErrRange},
		{name: "no leap day", in: "2023-02-29T00:00:00Z", err: ErrRange},
		{name: "hour 24 and a second", in: "2002-09-10T24:00:01Z", err: ErrRange},
		{name: "hour 24 and a bit", in: "2002-09-10T24:00:00.1Z", err: ErrRange},
		{name: "hour 25", in: "2002-09-10T25:00:00Z", err: ErrRange},
		{name: "minute 60", in: "2002-09-10T23:60:00Z", err: ErrRange},
		{name: "leap second", in: "2016-12-31T23:59:60Z", err: ErrRange},
		{name: "offset over the limit", in: "2024-01-01T00:00:00+14:01", err: ErrRange},
		{name: "offset minute 60", in: "2024-01-01T00:00:00+01:60", err: ErrRange},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := Parse(test.in)
			if err != test.err || !got.Equal(test.want) {
				t.Fatalf("got %v, %v; want %v, %v", got, err, test.want, test.err)
			}
			if err == nil && got.Location() != time.UTC {
				t.Fatalf("not in UTC: %v", got.Location())
			}
		})
	}
}

func TestFormat(t *testing.T) {
	east := time.FixedZone("east", 2*60*60)
	tests := []struct {
		name           string
		in             time.Time
		millis, second string
	}{
		{"to UTC", time.Date(2002, 9, 11, 1, 8, 25, 123e6, east), "2002-09-10T23:08:25.123Z", "2002-09-10T23:08:25Z"},
		{"cut off, not rounded", time.Date(2002, 9, 10, 23, 8, 59, 999999999, time.UTC), "2002-09-10T23:08:59.999Z", "2002-09-10T23:08:59Z"},
		{"leading zeros", time.Date(33, 4, 3, 2, 1, 5, 7e6, time.UTC), "0033-04-03T02:01:05.007Z", "0033-04-03T02:01:05Z"},
		{"too early", time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC), "0000-01-01T00:00:00.000Z", "0000-01-01T00:00:00Z"},
		{"too late", time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), "9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59Z"},
		{"late in the east only", time.Date(10000, 1, 1, 1, 0, 0, 0, east), "9999-12-31T23:00:00.000Z", "9999-12-31T23:00:00Z"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := Format(test.in); got != test.millis {
				t.Errorf("with milliseconds: %s, want %s", got, test.millis)
			}
			if got := FormatSeconds(test.in); got != test.second {
				t.Errorf("with seconds: %s, want %s", got, test.second)
			}
		})
	}
}

func TestAppendAllocations(t *testing.T) {
	buffer, now := make([]byte, 0, 64), time.Unix(1e9, 0)
	if n := testing.AllocsPerRun(100, func() { Append(buffer, now) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("1969-07-20T21:56:15-05:00")
	f.Add("2024-12-31T24:00:00.000Z")
	f.Fuzz(func(t *testing.T, s string) {
		moment, err := Parse(s)
		if err != nil {
			return
		}
		// The standard library reads what we accept to the same moment, but
		// for hour 24, which it does not know.
		if s[11:13] != "24" {
			other, err := time.Parse(time.RFC3339Nano, s)
			if err != nil || !other.Equal(moment) {
				t.Fatalf("%q: %v, the standard library says %v, %v", s, moment, other, err)
			}
		}
		if year := moment.Year(); year < 0 || year > 9999 {
			return // pushed over the edge by its offset
		}
		again, err := Parse(Format(moment))
		if err != nil || !again.Equal(moment.Truncate(time.Millisecond)) {
			t.Fatalf("%q: written and read as %v, %v", s, again, err)
		}
	})
}
