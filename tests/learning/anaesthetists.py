"""Table 1 of Dawid & Skene (1979, Applied Statistics 28:20–28): fitness of 45 patients for anaesthesia, 1 to 4."""

import numpy as np
from numpy.typing import NDArray

# By patient: three answers of anaesthetist 1, weeks apart, then one of each of the anaesthetists 2 to 5.
TABLE = """
1111111 3334334 1122122 2223121 2223222 2223322 1222111 3333433 2222223 2322223 4444444 2223343 1111111 2223212 1211111
1112111 1111111 1111111 2222221 2221322 2222222 2222221 2223222 2212222 1111111 1111111 2322222 1111111 1111111 1121121
1111111 3333233 1111111 2222222 2223232 4334343 2212232 2323233 3333432 1111111 1111111 1212111 2322222 1211111 2222222
"""

RATER = np.array([0, 0, 0, 1, 2, 3, 4])


# The reference fit (prevalence .4000/.4216/.1118/.0667, log-likelihood −190.731) was computed from a copy of the table
# at which we cannot look. This transcription gives .3996/.4220/.1118/.0667 and −192.891. Of all 945 changes of one
# answer only one kind gives the reference figures, all five of them: anaesthetist 1 answers 1, not 2, in one of the
# two later ratings of patient 7. So the copies differ there; which of them is the paper's we do not know.
PATIENT_7 = (6, 2)


def ratings(patient_7: int = 2) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Patients, anaesthetists, answers, all numbered from 0; one row for each of the 315 ratings.

    `patient_7`: the answer in doubt, as written in the table (1 to 4).
    """
    answers = np.array([[int(answer) - 1 for answer in patient] for patient in TABLE.split()])
    answers[PATIENT_7] = patient_7 - 1
    patients = np.repeat(np.arange(len(answers)), answers.shape[1])
    return patients, np.tile(RATER, len(answers)), answers.ravel()
