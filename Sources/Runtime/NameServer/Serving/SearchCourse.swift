internal import DNS

/// Where a client's resolver would go on after its first name was denied: the rest of its search list, and the name as it was meant.
///
/// A resolver (glibc's, musl's) that is asked for `example.org` with fewer dots than `ndots` says tries the name below each entry of
/// its search list, in order, and then as it is. It asks for A and AAAA at each step, and goes on where both are denied. The server
/// knows the list, so it goes the same way at once when the first step is denied, and answers with an alias to where it ends:
///
///  1. Only a name below the *first* entry of the list begins a course, and only when a zone of ours denies it. Later steps are
///     answered plainly: a client that comes to them had a reason.
///  2. The first name that *exists* ends it, whether or not it has records of the type. Existence does not depend on the type, so A
///     and AAAA, asked side by side, lead to the same name. Where that name has nothing of the type, the answer is the alias and "no
///     data": musl stops there also without us, and glibc, which would go on, does go on by itself with its second step.
///  3. Is every name denied, the answer is the denial of the first: the client's further steps find the same.
///  4. Does a step fail, by a resolver that does not answer or says so, nobody knows where the course would end. The answer is the
///     denial of the first, and the client goes the way itself.
///
/// A name with as many dots as `ndots` comes to its search list only after it was denied as it is (glibc) or never (musl), so
/// `ndots` changes nothing in this.
struct SearchCourse: Hashable, Sendable {
    /// Those still to be tried, the last one first.
    private var ahead: [DomainName] = []

    /// How long the alias holds: as long as most names of a cluster, so that it outlives neither a change of names nor of clients.
    static let ttl: TimeToLive = 5

    /// - Returns: `nil` when the name is none below the first entry.
    init?(_ asked: DomainName, _ searchList: [DomainName]) {
        guard let first = searchList.first, asked.wire.count > first.wire.count, asked.isInside(first) else { return nil }
        let meant = asked.wire.dropLast(first.wire.count)
        // Names that are too long are none: the resolver leaves them out as well.
        ahead = (searchList.dropFirst() + [.root]).reversed().compactMap { DomainName(wire: meant + $0.wire) }
        ahead.removeAll { $0 == asked }
    }

    mutating func next() -> DomainName? { ahead.popLast() }
}
