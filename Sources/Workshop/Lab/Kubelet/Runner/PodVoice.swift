import KubeAPI
import Synchronization

/// What is said of one pod to the API: in order, one at a time, again until it is heard.
final class PodVoice: Sendable {
    private let key: PodKey
    private let api: any KubeletAPI
    private let state = Mutex(State())

    private struct State {
        var waiting: [PodWorker.Order] = []
        var isSpeaking = false
    }

    init(_ key: PodKey, _ api: any KubeletAPI) { (self.key, self.api) = (key, api) }

    /// Something waits, and nobody is saying it.
    var hasToSpeak: Bool { state.withLock { !$0.isSpeaking && !$0.waiting.isEmpty } }

    func say(_ order: PodWorker.Order) {
        state.withLock { state in
            if case .write = order {
                // Only the latest status matters.
                state.waiting.removeAll { if case .write = $0 { true } else { false } }
            }
            state.waiting.append(order)
        }
    }

    /// Says everything that waits; returns at once when another does.
    func speak() async {
        guard
            state.withLock({ state in
                defer { state.isSpeaking = true }
                return !state.isSpeaking
            })
        else { return }
        var failures = 0
        while let order = next() {
            do {
                try await say(order)
                failures = 0
            } catch {
                failures += 1
                // A pod that is not removed would stay for ever: nobody is told of it again.
                guard !Task.isCancelled, failures < 600 || order == .removeObject else { continue }
                restore(order)
                try? await Task.sleep(for: .milliseconds(min(5000, 100 << min(failures, 6))))
            }
        }
    }

    private func next() -> PodWorker.Order? {
        state.withLock { state in
            if state.waiting.isEmpty {
                state.isSpeaking = false
                return nil
            }
            return state.waiting.removeFirst()
        }
    }

    /// First again, unless a newer status waits.
    private func restore(_ order: PodWorker.Order) {
        state.withLock { state in
            if case .write = order, state.waiting.contains(where: { if case .write = $0 { true } else { false } }) { return }
            state.waiting.insert(order, at: 0)
        }
    }

    private func say(_ order: PodWorker.Order) async throws {
        switch order {
        case .write(let status): _ = try await api.write(status: status, of: key)
        case .record(let event): await api.record(event, of: key)
        case .removeObject: try await api.remove(key)
        default: break
        }
    }
}
