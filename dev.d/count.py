#!/usr/bin/env python3
"""count.py STATUS DIR: adds up the JUnit files in DIR; prints "passed failed skipped".

One ctest entry is one cmocka program with many tests in it. Where its output carries
cmocka's own summary, those tests are counted; a program that died before its summary is
one failure. STATUS is the exit status of the stage: if it is not 0 and no test failed, or
if there was no test at all, that is one failure.
"""
import glob
import re
import sys
import xml.etree.ElementTree as ET

CMOCKA = re.compile(r"^\[  (PASSED|FAILED|SKIPPED)\s*\] .*?(\d+) test\(s\)", re.M)


def case_counts(case):
    """(passed, failed, skipped) of one <testcase>."""
    output = (case.findtext("system-out") or "")
    groups = {"PASSED": 0, "FAILED": 0, "SKIPPED": 0}
    for word, number in CMOCKA.findall(output):
        groups[word] += int(number)
    passed, failed, skipped = groups["PASSED"], groups["FAILED"], groups["SKIPPED"]
    bad = case.find("failure") is not None or case.find("error") is not None \
        or case.get("status") == "fail"
    if bad:
        return passed, max(failed, 1), skipped
    if case.find("skipped") is not None or case.get("status") in ("notrun", "disabled"):
        return 0, 0, 1
    return (passed, failed, skipped) if passed + failed + skipped else (1, 0, 0)


def main():
    status, folder = int(sys.argv[1]), sys.argv[2]
    total = [0, 0, 0]
    for path in sorted(glob.glob(folder + "/*.xml")):
        for case in ET.parse(path).getroot().iter("testcase"):
            total = [a + b for a, b in zip(total, case_counts(case))]
    if total[1] == 0 and (status != 0 or total[0] == 0):
        total[1] = 1
    print(*total)


main()
