import Glibc
import Lab
// For `timespec`: without it the compiler takes NIO's C module for its owner, depending on which files it compiles together.
import UnixSignals

extension LabSurroundings {
    /// The machine's clocks and dice.
    static var real: LabSurroundings {
        LabSurroundings(
            now: {
                var time = timespec()
                clock_gettime(CLOCK_REALTIME, &time)
                return Moment(sinceEpoch: .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec))
            },
            clock: ContinuousClock(),
            bits: {
                var generator = SystemRandomNumberGenerator()
                return generator.next()
            })
    }
}
