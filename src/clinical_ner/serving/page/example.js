/* A note about nobody, to try the page with. */

export const EXAMPLE = `Chief complaint:
Worsening shortness of breath for five days.

History of present illness:
Mrs A. is a 71-year-old woman with heart failure, atrial fibrillation and type 2 diabetes who comes in with orthopnoea and ankle oedema. She ran out of furosemide two weeks ago. She denies chest pain and has no history of asthma. She was recently treated with amoxicillin for a suspected pneumonia.

Past medical history:
Hypertension, chronic kidney disease stage 3, gout, breast cancer in 2009 s/p lumpectomy.

Family history:
Her mother had a stroke, her brother has Crohn's disease.

Medications:
Apixaban 5 mg twice a day for atrial fibrillation, metformin for diabetes, ramipril, allopurinol for gout.

Assessment and plan:
Acute decompensated heart failure: restart furosemide intravenously, continue ramipril. Pulmonary embolism is unlikely. If potassium falls, start spironolactone. Metformin was stopped because of acute kidney injury; insulin glargine instead for her diabetes. Possible hospital-acquired pneumonia: chest X-ray, and piperacillin-tazobactam if it is confirmed.
`;
