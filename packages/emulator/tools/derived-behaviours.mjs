/**
 * Lists behavior of the emulator that was checked only against Stripe's documentation. Remove a behavior from the list when
 * recorded responses of Stripe confirm the behavior.
 */
export const DERIVED = [
  "An embedded checkout session without `return_url` is accepted unless `redirect_on_completion` is `always`, and a session for Elements always, because cards need no redirect. The client secret stays after the completion.",
  "When a subscription schedule enters a phase, an item with the same price keeps its ID. Other items replace removed items. A price with another interval starts a new billing cycle with its phase. A phase without an end lasts one period of its first price. If a phase removes a metered item, the item's usage is not billed.",
  "The subscription of a schedule is active at once. Its first invoice stays a draft for an hour. If the payment of this invoice fails, the subscription is past due.",
  "When its last phase ends, a schedule has the status `completed`, and releases or cancels its subscription. A schedule that a request releases has the status `released`.",
  "A subscription schedule cannot start in the past.",
  "If a subscription has a schedule, requests that change its cancellation are rejected with Stripe's message. Other changes are accepted, and the next phase overrides them.",
  "If a cancellation has `prorate`, the credit is an invoice item. If it has `invoice_now`, a last invoice contains this credit and the usage. Remaining credit goes to the customer's balance.",
  "A dispute opens directly after the events of its charge. The test evidence decides the dispute at once. A fee of 15.00 is withdrawn with the amount and is never returned.",
  "The amount of a dispute is the amount of the charge that is not refunded. A disputed charge can't be refunded until the dispute is won. A full refund closes an inquiry.",
  "With the test cards for asynchronous refunds, a refund succeeds or fails one minute after its creation. A failed refund reduces `amount_refunded` of its charge. A pending refund counts as refunded.",
  "Tax IDs: `eu_vat`, `gb_vat` and `au_abn` that end in 000000000, 111111111 or 222222222 are verified, unverified or pending. All other values of these types are verified. The emulator checks the format of only some types.",
  "Automatic tax takes its rates from the table in the tax settings. The entries of the most specific place apply, and add up. Each entry is an inactive tax rate with a fixed ID.",
  "A tax of 0, such as `not_collecting` or `reverse_charge`, has the taxable amount 0. An inclusive price stays the same for customers who pay no tax.",
  "A business with an EU VAT ID owes the tax itself (`reverse_charge`) if it is in another country of the EU than the seller. Businesses in the UK, Norway and Australia owe the tax on purchases from other countries.",
  "Manual tax rates of a customer with `tax_exempt` have the amount 0 and the reason `customer_exempt` or `reverse_charge`.",
  "Pending invoice items without a tax behavior count as exclusive in invoices with automatic tax.",
  "A customer's location comes from the shipping address, the billing address, the card's billing details or the IP address. The issuing country of a card completes its billing details.",
  "A credit note for a part of an invoice line credits the same part of the line's discounts and taxes. A credit note with only an `amount` has one line without taxes.",
  "Failed renewals are retried 1, 3, 5, 7, 9, 11 and 14 days after the first failure. Then the setting `after_retries` decides whether the subscription is canceled, unpaid, paused or past due. Renewal invoices of an unpaid subscription stay drafts.",
  "Pausing a subscription bills and credits nothing. Resuming it with a new billing cycle bills a full period.",
  "The fee in a balance transaction is 2.9 % plus 30 minor units per charge, in the currency of the charge.",
  "The balance transaction of an asynchronously captured payment is created two seconds after the payment.",
  "A customer is delinquent after the payment of a renewal fails, until an invoice is paid. A due date that has passed does not make a customer delinquent. Finalizing an invoice increases the customer's `next_invoice_sequence` and emits `customer.updated`.",
  "Search finds new objects at once. A `stale` fault makes search omit them.",
  "Endpoints with the payload style `thin` receive a thin event for each event that has one. The emulator has no thin events without a snapshot event, such as `v1.customer.subscription.past_due`, and no `changes`. The ID of a thin event is `evt_test_`, followed by the ID of its snapshot event without `evt_`.",
  "If an endpoint is disabled or deleted when a delivery to it is retried, the delivery fails without further attempts.",
  "The emulator has no rate limits. A fault can return a 429.",
];
