/// Rings at the earliest of the times it was set to, or a little before somebody needs it: never later.
///
/// Setting it to a later time than it has costs nothing, which is what happens nearly every time.
struct Alarm {
    private let now: @Sendable () -> Duration
    private let ring: @Sendable () -> Void
    private var due: Duration?
    private var sleeper: Task<Void, Never>?

    init(now: @escaping @Sendable () -> Duration, ring: @escaping @Sendable () -> Void) {
        (self.now, self.ring) = (now, ring)
    }

    mutating func set(_ next: Duration?) {
        guard let next, due.map({ next < $0 }) ?? true else { return }
        sleeper?.cancel()
        due = next
        sleeper = Task { [now, ring] in
            guard (try? await Task.sleep(for: max(.zero, next - now()))) != nil else { return }
            ring()
        }
    }

    /// It rang.
    mutating func rang() { due = nil }

    func stop() { sleeper?.cancel() }
}
