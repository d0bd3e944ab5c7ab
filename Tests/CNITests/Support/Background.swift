import Glibc
import Synchronization

/// A thread of a test.
final class Background: Sendable {
    private let thread: pthread_t

    private final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    init(_ run: @escaping @Sendable () -> Void) throws {
        var thread = pthread_t()
        let error = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run()
                return nil
            }, Unmanaged.passRetained(Body(run)).toOpaque())
        guard error == 0 else { throw Broken("pthread_create: errno \(error)") }
        self.thread = thread
    }

    func join() { pthread_join(thread, nil) }
}

/// Waited for by one thread, opened once by another.
final class Gate: Sendable {
    private let ends: [Int32]

    init() {
        var ends: [Int32] = [-1, -1]
        pipe(&ends)
        self.ends = ends
    }

    deinit { for end in ends { close(end) } }

    func open() { _ = write(ends[1], [1] as [UInt8], 1) }

    func wait() {
        var byte: UInt8 = 0
        while read(ends[0], &byte, 1) < 0, errno == EINTR {}
    }
}
