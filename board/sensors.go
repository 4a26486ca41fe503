package board

import (
	"strings"
)

// Quantity is what a sensor measures.
type Quantity uint8

const (
	Temperature Quantity = iota // thousandths of a degree Celsius
	Fan                         // turns a minute
	Voltage                     // thousandths of a volt
	Current                     // thousandths of an ampere
	Power                       // thousandths of a watt
	Humidity                    // thousandths of a percent
)

func (q Quantity) String() string {
	return [...]string{"temperature", "fan", "voltage", "current", "power", "humidity"}[q]
}

// Sensor is one that measures something, as it is now.
type Sensor struct {
	Name     string // of chip and input, stable over restarts: "cpu_thermal/temp1"
	Label    string // what it measures, where the driver says it: "Core 0"
	Quantity Quantity
	Value    int64 // in the unit of Quantity
	Working  bool  // Value could be read
	Limit    int64 // from which on it is critical, 0 if not known
}

// inputs are the beginnings of the names of files with measurements (Documentation/hwmon/sysfs-interface.rst).
var inputs = []struct {
	prefix   string
	quantity Quantity
	divide   int64 // from the driver's unit to ours
}{
	{"temp", Temperature, 1},
	{"fan", Fan, 1},
	{"in", Voltage, 1},
	{"curr", Current, 1},
	{"power", Power, 1000},
	{"humidity", Humidity, 1},
}

// maxSensors bounds a reading: a server's board has some hundred.
const maxSensors = 128

// Sensors reads all that measures something: chips (hwmon), then thermal zones that are not among them.
func (b *Board) Sensors() []Sensor {
	var list []Sensor
	seen := make(map[string]int) // chips of one name, such as two radios
	unique := func(name string) string {
		if seen[name]++; seen[name] > 1 {
			return name + "#" + string(rune('0'+min(seen[name], 9)))
		}
		return name
	}
	for _, chip := range b.root.Names("sys/class/hwmon") {
		dir := "sys/class/hwmon/" + chip + "/"
		name := b.root.Text(dir + "name")
		if name == "" {
			continue
		}
		name = unique(name)
		for _, file := range b.root.Names(strings.TrimSuffix(dir, "/")) {
			input, ok := strings.CutSuffix(file, "_input")
			if !ok || len(list) == maxSensors {
				continue
			}
			for _, kind := range inputs {
				if number, ok := strings.CutPrefix(input, kind.prefix); ok && number != "" && number[0] <= '9' {
					list = append(list, b.sensor(dir+input, name+"/"+input, kind.quantity, kind.divide))
				}
			}
		}
	}
	for _, zone := range b.root.Names("sys/class/thermal") {
		dir := "sys/class/thermal/" + zone + "/"
		if !strings.HasPrefix(zone, "thermal_zone") || len(list) == maxSensors || b.isChip(strings.TrimSuffix(dir, "/")) {
			continue
		}
		s := Sensor{Name: unique(b.root.Text(dir + "type")), Quantity: Temperature}
		s.Value, s.Working = b.root.Int(dir + "temp")
		s.Limit, _ = b.root.Int(dir + "trip_point_0_temp")
		list = append(list, s)
	}
	return list
}

func (b *Board) sensor(path, name string, q Quantity, divide int64) Sensor {
	s := Sensor{Name: name, Quantity: q, Label: b.root.Text(path + "_label")}
	s.Value, s.Working = b.root.Int(path + "_input")
	s.Value /= divide
	if limit, ok := b.root.Int(path + "_crit"); ok {
		s.Limit = limit / divide
	}
	return s
}

// isChip tells whether a thermal zone shows itself as a chip, too: it then has its folder.
func (b *Board) isChip(zone string) bool {
	for _, name := range b.root.Names(zone) {
		if strings.HasPrefix(name, "hwmon") {
			return true
		}
	}
	return false
}
