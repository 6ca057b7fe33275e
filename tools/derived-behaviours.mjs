/** What the emulator does by Stripe's documents alone. One that a recording has shown is taken off. */
export const DERIVED = [
  "Subscription schedules: an item keeps its id where its price stays, and takes the place of one that goes; a plan of another interval begins its own cycle with its phase; a phase without an end lasts one period of its first price; usage of an item that a phase takes away is not billed.",
  "A schedule whose last phase is over is completed, and lets the subscription go or ends it; one that is released by request is released.",
  "Subscription schedules start now or later, never in the past.",
  "A subscription that a schedule manages refuses changes of its cancellation, in Stripe's words; other changes are taken, and the next phase overrides them.",
  "`prorate` and `invoice_now` on canceling: the credit is an invoice item; the last invoice takes it and what was used, and leaves credit on the customer's balance.",
  "Disputes begin with the charge, after its own events; the words of the test decide them at once; a fee of 15.00 is taken with the money and is not given back.",
  "Tax ids: `eu_vat`, `gb_vat` and `au_abn` that end in 000000000, 111111111 or 222222222 are verified, unverified or pending; others of these kinds are verified. Formats of the kinds not listed in the code are not checked.",
  "Credit notes: discounts and taxes of a line are credited in proportion to its amount; a note by `amount` alone is one line without taxes.",
  "Failed renewals are tried 1, 3, 5, 7, 9, 11 and 14 days after the first failure; then the subscription is canceled, becomes unpaid, is paused or stays past due, as `after_retries` says. What an unpaid one would owe waits in drafts.",
  "`pause` and `resume` of subscriptions: a pause bills nothing and gives nothing back; resuming with a new cycle bills a whole period.",
  "Balance transactions: 2.9 % and 30 minor units a charge, in the charge's own currency.",
  "`latest_charge` and the balance transaction of a payment captured in the background come two seconds later.",
  "A customer is delinquent while a renewal's payment has failed; passing a due date does not make one so. Finalizing an invoice counts the customer's `next_invoice_sequence` on, and tells `customer.updated`.",
  "Search finds what is there at once; a fault makes it as stale as asked.",
  "Thin events carry the object's type and id, and are delivered to endpoints that ask for them.",
  "Rate limits are never met by themselves: a fault answers 429.",
];
