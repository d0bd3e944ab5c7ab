import CLinux
import Glibc
import Lab
// For `timespec`: without it the compiler takes NIO's C module for its owner, depending on which files it compiles together.
import UnixSignals

extension LabSurroundings {
    /// The machine's clocks and dice.
    static var real: LabSurroundings {
        LabSurroundings(
            now: { Moment(sinceEpoch: .nanoseconds(clinux_clock(CLOCK_REALTIME))) },
            clock: ContinuousClock(),
            bits: {
                var generator = SystemRandomNumberGenerator()
                return generator.next()
            })
    }
}
