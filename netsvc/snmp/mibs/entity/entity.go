// Package entity is ENTITY-MIB (RFC 6933) and ENTITY-SENSOR-MIB (RFC 3433): the box as a chassis, and in it its
// sensors with what they measure. Logical entities and mappings are left out: there is one of everything.
//
// Sensors are rows of entPhysicalTable because the sensor table's rows have to be. Measured are the sensors of the
// board and the wear of its flash, in percent of its life.
package entity

import (
	"time"

	"linnet/board"
	"linnet/netsvc/snmp/mib"
	"linnet/netsvc/snmp/mibs"
)

// Values of entPhysicalClass.
const (
	classChassis = 3
	classSensor  = 8
	classModule  = 9
)

// chassis is the entPhysicalIndex of the box; the numbers of what is in it are drawn from the Book and come after it.
const chassis = 1

type group struct {
	env     *mib.Env
	machine *mibs.Machine
}

// Groups returns the groups.
func Groups(env *mib.Env) []mib.Group {
	g := &group{env, mibs.Of(env.Host)}
	physical, sensors := mib.OID{1, 3, 6, 1, 2, 1, 47, 1}, mib.OID{1, 3, 6, 1, 2, 1, 99, 1, 1, 1}
	return []mib.Group{{
		Name: "ENTITY-MIB", ID: mib.OID{1, 3, 6, 1, 2, 1, 47}, About: "The box and what is in it.",
		Scalars: []mib.Scalar{
			{Name: "entLastChangeTime", OID: physical.With(4, 1), Kind: mib.TimeTicks, Get: func(*mib.Request) mib.Value { return mib.Ticks(0) }},
		},
		Tables: []mib.Table{{Name: "entPhysicalTable", Entry: physical.With(1, 1, 1), Keep: 5 * time.Second, Fill: g.physical, Columns: []mib.Column{
			{ID: 2, Name: "entPhysicalDescr", Kind: mib.OctetString},
			{ID: 3, Name: "entPhysicalVendorType", Kind: mib.ObjectID},
			{ID: 4, Name: "entPhysicalContainedIn", Kind: mib.Integer32},
			{ID: 5, Name: "entPhysicalClass", Kind: mib.Integer32},
			{ID: 6, Name: "entPhysicalParentRelPos", Kind: mib.Integer32},
			{ID: 7, Name: "entPhysicalName", Kind: mib.OctetString},
			{ID: 8, Name: "entPhysicalHardwareRev", Kind: mib.OctetString},
			{ID: 9, Name: "entPhysicalFirmwareRev", Kind: mib.OctetString},
			{ID: 10, Name: "entPhysicalSoftwareRev", Kind: mib.OctetString},
			{ID: 11, Name: "entPhysicalSerialNum", Kind: mib.OctetString},
			{ID: 12, Name: "entPhysicalMfgName", Kind: mib.OctetString},
			{ID: 13, Name: "entPhysicalModelName", Kind: mib.OctetString},
			{ID: 16, Name: "entPhysicalIsFRU", Kind: mib.Integer32},
		}}},
	}, {
		Name: "ENTITY-SENSOR-MIB", ID: mib.OID{1, 3, 6, 1, 2, 1, 99}, About: "What the sensors of the box measure.",
		Tables: []mib.Table{{Name: "entPhySensorTable", Entry: sensors, Keep: 5 * time.Second, Fill: g.measured, Columns: []mib.Column{
			{ID: 1, Name: "entPhySensorType", Kind: mib.Integer32},
			{ID: 2, Name: "entPhySensorScale", Kind: mib.Integer32},
			{ID: 3, Name: "entPhySensorPrecision", Kind: mib.Integer32},
			{ID: 4, Name: "entPhySensorValue", Kind: mib.Integer32},
			{ID: 5, Name: "entPhySensorOperStatus", Kind: mib.Integer32},
			{ID: 6, Name: "entPhySensorUnitsDisplay", Kind: mib.OctetString},
			{ID: 7, Name: "entPhySensorValueTimeStamp", Kind: mib.TimeTicks},
			{ID: 8, Name: "entPhySensorValueUpdateRate", Kind: mib.Gauge32},
		}}},
	}}
}

// number returns the entPhysicalIndex of something in the box, 0 until it is kept.
func (g *group) number(name string) uint32 {
	if n := g.machine.Book.Number("entity", name, 0); n != 0 {
		return chassis + n
	}
	return 0
}

func (g *group) physical(s *mib.Snapshot) {
	now, none, empty := time.Now(), mib.Ref(mib.OID{0, 0}), mib.Text("")
	id := g.machine.Identity(now)
	version := ""
	if site := g.env.Host.Site(); site != nil {
		version = site.Version
	}
	about := id.Model
	if about == "" {
		about = id.System + " " + id.Machine
	}
	const yes, no = 1, 2
	s.Numbered(chassis, mib.Text(about), none, mib.Int(0), mib.Int(classChassis), mib.Int(-1), mib.Text(id.Host), empty,
		mib.Text(id.Release), mib.Text("linnet "+version), mib.Text(id.Serial), mib.Text(id.Vendor), mib.Text(id.Model), mib.Int(yes))
	place := 0
	row := func(name, about string, class int) {
		place++
		s.Numbered(g.number(name), mib.Text(about), none, mib.Int(chassis), mib.Int(class), mib.Int(place), mib.Text(name), empty,
			empty, empty, empty, empty, empty, mib.Int(no))
	}
	for _, m := range g.sensors(now) {
		row(m.name, m.about, classSensor)
	}
	for _, d := range g.machine.Board.Disks() {
		row("disk "+d.Name, d.Model, classModule)
	}
}

// measured fills entPhySensorTable.
func (g *group) measured(s *mib.Snapshot) {
	for _, m := range g.sensors(time.Now()) {
		value, status := mib.Int(m.value), 1 // ok
		if !m.working {
			value, status = mib.Int(0), 2 // unavailable
		}
		u := units[m.unit]
		s.Numbered(g.number(m.name), mib.Int(u.kind), mib.Int(u.scale), mib.Int(0), value, mib.Int(status), mib.Text(u.display), mib.Ticks(g.env.Uptime()), mib.Gauge(5000))
	}
}

// sensor is what is measured by a sensor or said by a flash chip.
type sensor struct {
	name, about string
	unit        board.Quantity
	value       int64
	working     bool
}

// wear is the unit of the wear of a chip, after those of the board.
const wear = board.Humidity + 1

// units are the values of type and scale for each quantity. The scale milli(8) fits thousandths, units is 9.
var units = [...]struct {
	kind, scale int
	display     string
}{
	board.Temperature: {8, 8, "millidegrees Celsius"},
	board.Fan:         {10, 9, "rpm"},
	board.Voltage:     {4, 8, "millivolts"},
	board.Current:     {5, 8, "milliamperes"},
	board.Power:       {6, 8, "milliwatts"},
	board.Humidity:    {9, 8, "thousandths of a percent"},
	wear:              {1, 9, "percent of its life used"},
}

func (g *group) sensors(now time.Time) []sensor {
	var all []sensor
	for _, s := range g.machine.Sensors(now) {
		about := s.Quantity.String() + " " + s.Name
		if s.Label != "" {
			about = s.Label
		}
		all = append(all, sensor{s.Name, about, s.Quantity, s.Value, s.Working})
	}
	for _, w := range g.machine.Board.Wear() {
		if w.Used >= 0 {
			all = append(all, sensor{"wear " + w.Device, "wear of " + w.Model, wear, int64(w.Used), true})
		}
	}
	return all
}
