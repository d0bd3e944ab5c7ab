import CLinux
import Glibc
import Lab

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
