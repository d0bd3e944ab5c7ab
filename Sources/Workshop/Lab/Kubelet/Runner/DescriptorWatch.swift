import CLinux
import Glibc
import Synchronization

/// One thread that waits for the ends of processes and of what they report, for all pods of this process.
///
/// Dispatch's sources would do, but libdispatch's epoll loop does not survive a hang-up that comes with a cancellation (Swift 6.3).
final class DescriptorWatch: Sendable {
    static let shared = DescriptorWatch()

    private let epoll = clinux_epoll()
    private let entries = Mutex<[CInt: Entry]>([:])

    private struct Entry: Sendable {
        var isOver: @Sendable () -> Bool
        var finish: @Sendable () -> Void
    }

    private init() {
        var thread = pthread_t()
        // It waits there until this initialiser has returned.
        let begin: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { _ in
            DescriptorWatch.shared.loop()
            return nil
        }
        pthread_create(&thread, nil, begin, nil)
        pthread_detach(thread)
    }

    /// - Parameters:
    ///   - isOver: called when there is something to read; true: it is the last time.
    ///   - finish: called after that, when the descriptor is no longer watched; it may close it.
    /// - Throws: when the kernel does not watch it; then neither is called.
    func watch(
        _ descriptor: CInt, isOver: @escaping @Sendable () -> Bool, finish: @escaping @Sendable () -> Void
    ) throws(LabError) {
        entries.withLock { $0[descriptor] = Entry(isOver: isOver, finish: finish) }
        guard clinux_epoll_add(epoll, descriptor, UInt32(CLINUX_READABLE)) == 0 else {
            let code = errno
            entries.withLock { $0[descriptor] = nil }
            throw LabError(.processFailed, "watch a descriptor: \(String(cString: strerror(code)))")
        }
    }

    private func loop() {
        var ready = [clinux_ready](repeating: clinux_ready(), count: 64)
        while true {
            let count = clinux_epoll_wait(epoll, &ready, CInt(ready.count), -1)
            for event in ready.prefix(Int(max(0, count))) {
                guard let entry = entries.withLock({ $0[event.descriptor] }), entry.isOver() else { continue }
                _ = clinux_epoll_remove(epoll, event.descriptor)
                entries.withLock { $0[event.descriptor] = nil }
                entry.finish()
            }
        }
    }
}
