// Package board is what the machine can tell about itself: memory, load, processors, network interfaces with
// their counters, addresses, file systems, disks, sensors and the wear of its flash.
//
// All of it is read from /proc and /sys under a root that a test replaces with a recorded machine (boardtest),
// and the two things that no file tells from a Kernel. Nothing is kept between two readings and nothing runs in
// the background: who asks often keeps what it read for a moment. A file that is not there, as on another
// kernel or in a container, leaves its field zero; only a reading that yields nothing at all is an error.
//
// The package owns the reading and the units (bytes, seconds, thousandths), in the words of the kernel. It
// does not own their meaning for anybody: MIBs, metrics and thresholds stand above. Formats are those of
// Documentation/filesystems/proc.rst and Documentation/ABI of Linux 6.12; what older ones lack is zero.
package board
