/// Moments at which something is to be looked at, the earliest first. What is no longer wanted is not taken out: whoever is called
/// looks whether it is still so.
struct Alarms<Subject> {
    /// Sorted; most are set for later than all others.
    private var times: [(time: Duration, subject: Subject)] = []
    private var start = 0

    mutating func set(_ time: Duration, _ subject: Subject) {
        var (low, high) = (start, times.count)
        if let last = times.last, last.time <= time { low = high }
        while low < high {
            let middle = (low + high) / 2
            if times[middle].time <= time { low = middle + 1 } else { high = middle }
        }
        times.insert((time, subject), at: low)
    }

    var next: Duration? { start < times.count ? times[start].time : nil }

    mutating func due(at now: Duration) -> [Subject] {
        var due: [Subject] = []
        while start < times.count, times[start].time <= now {
            due.append(times[start].subject)
            start += 1
        }
        if start > 256, start * 2 > times.count {
            times.removeFirst(start)
            start = 0
        }
        return due
    }
}
