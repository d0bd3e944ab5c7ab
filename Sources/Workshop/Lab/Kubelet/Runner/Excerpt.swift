import Glibc
import Synchronization

/// The beginning of what a command says, for a message; the rest is read and thrown away.
final class Excerpt: Sendable {
    /// As much as a kubelet keeps of a probe's output: 10 KiB.
    static let limit = 10 << 10

    private let writing: CInt
    private let null: CInt
    private let state: Mutex<State>

    private struct State {
        /// `nil` when it is closed.
        var reading: CInt?
        var text: [UInt8] = []

        /// Takes what is there.
        ///
        /// - Returns: whether that was the end.
        mutating func drain() -> Bool {
            guard let reading else { return true }
            var buffer = [UInt8](repeating: 0, count: 16 << 10)
            // As much as a pipe holds and no more: a command that speaks without an end must not keep the others waiting.
            for _ in 0..<4 {
                let count = read(reading, &buffer, buffer.count)
                guard count > 0 else { return count == 0 }
                text += buffer.prefix(min(count, Excerpt.limit - text.count))
            }
            return false
        }
    }

    init() throws(LabError) {
        let ends = try CommandPipes.pair()
        _ = fcntl(ends.reading, F_SETFL, O_NONBLOCK)
        writing = ends.writing
        null = open("/dev/null", O_RDONLY | O_CLOEXEC)
        state = Mutex(State(reading: ends.reading))
        do throws(LabError) {
            // It is read until all have closed it: also what a command left behind may go on to speak.
            try DescriptorWatch.shared.watch(ends.reading) {
                self.state.withLock { $0.drain() }
            } finish: {
                self.state.withLock { state in
                    close(ends.reading)
                    state.reading = nil
                }
            }
        } catch {
            _ = (close(ends.reading), close(writing), close(null))
            throw error
        }
    }

    /// For a command.
    var streams: Child.Streams { Child.Streams(input: null, output: writing, error: writing) }

    /// To be called once, when the command has been started or could not be.
    func closeWriting() {
        close(writing)
        close(null)
    }

    /// What was said up to now.
    func text() -> String {
        state.withLock { state in
            _ = state.drain()
            return String(decoding: state.text, as: UTF8.self)
        }
    }
}
