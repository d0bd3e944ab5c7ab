import KubeAPI
import Synchronization

/// Gives services their addresses and node ports inside the transactions that write them: what a service was given is stored
/// with it or not given at all, and what a deleted one had is free with its deletion.
///
/// Nothing is stored besides the services: who holds what is read from them at start, and again after a transaction that came to
/// nothing.
final class ServiceDesk: Sendable {
    private struct State: Sendable {
        var allocator: ServiceAllocator
        var isKnown = false
        var random: SurroundingRandom
    }

    let ranges: ServiceRanges
    private let state: Mutex<State>

    init(_ ranges: ServiceRanges, surroundings: Surroundings) {
        self.ranges = ranges
        state = Mutex(State(allocator: ServiceAllocator(ranges), random: SurroundingRandom(draw: surroundings.random)))
    }

    /// - Returns: a sentence for everything stored that is not as it should be.
    func learn(_ services: [JSONValue]) -> [String] {
        state.withLock { state in
            state.isKnown = true
            return state.allocator.repair(services)
        }
    }

    /// Before validation, and outside the transaction.
    func settled(_ service: JSONValue, replacing old: JSONValue?, _ kind: ServedKind) throws(Status) -> JSONValue {
        do {
            return try ServiceRequest.settled(service, replacing: old, families: ranges.families)
        } catch {
            throw Status(error, kind, service.name)
        }
    }

    /// What a write would come to, with nothing given.
    func tried(_ service: JSONValue, replacing old: JSONValue?, _ kind: ServedKind) throws(Status) -> JSONValue {
        do {
            return try state.withLock { state throws(AllocationError) in
                var draft = state.allocator
                return try draft.admit(service, replacing: old, random: &state.random)
            }
        } catch {
            throw Status(error, kind, service.name)
        }
    }

    /// What the write of a service asks for inside its transaction.
    func ledger(for service: JSONValue, replacing old: JSONValue?, _ kind: ServedKind) -> WriteLedger {
        WriteLedger(
            completed: { view throws(StoreError) in
                do {
                    let given = try self.given(service, replacing: old, in: view)
                    return StampedBody(given).body
                } catch let error as AllocationError {
                    throw .refused(Status(error, kind, service.name))
                } catch {
                    throw error as? StoreError ?? StoreError(.storage, "read the services", cause: error)
                }
            },
            undone: forget)
    }

    /// What the deletion of a service gives back.
    func ledger(removing service: JSONValue) -> WriteLedger {
        WriteLedger(
            completed: { _ in
                self.state.withLock { $0.allocator.release(service) }
                return nil
            },
            undone: forget)
    }

    private func given(_ service: JSONValue, replacing old: JSONValue?, in view: StoreView) throws -> JSONValue {
        if !state.withLock({ $0.isKnown }) {
            let stored = try view.objects("services").compactMap { try? JSONReader(depth: 1024).document($0.body).value }
            _ = learn(stored)
        }
        return try state.withLock { try $0.allocator.admit(service, replacing: old, random: &$0.random) }
    }

    /// A transaction came to nothing: what was given in it was not.
    private func forget() { state.withLock { $0.isKnown = false } }
}

extension Status {
    fileprivate init(_ error: AllocationError, _ kind: ServedKind, _ name: String) {
        switch error {
        case .refused(let faults): self = .invalid(kind, name, faults)
        case .exhausted(let why): self = .internalError(why)
        }
    }
}

/// The random numbers of the server's surroundings.
struct SurroundingRandom: RandomNumberGenerator, Sendable {
    let draw: @Sendable () -> UInt64

    mutating func next() -> UInt64 { draw() }
}
